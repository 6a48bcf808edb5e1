package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/mailtether/mailtether/quota"
)

// chart is an SVG file in the making: it needs nothing besides itself.
type chart struct{ bytes.Buffer }

const (
	chartWidth = 1200
	ink        = "#1f2933"
	faint      = "#e4e7eb"
	muted      = "#7b8794"
	capColor   = "#d64545"
	sentColor  = "#4098d7"
)

// laneColors are in the order of lanes.
var laneColors = []string{"#a6c8e4", "#47a3a3", "#e8833a"}

func (c *chart) add(format string, args ...any) { fmt.Fprintf(c, format+"\n", args...) }

// text writes words; anchor is start, middle or end.
func (c *chart) text(x, y float64, size int, color, anchor, format string, args ...any) {
	c.add(`<text x="%.1f" y="%.1f" font-size="%d" fill="%s" text-anchor="%s">%s</text>`, x, y, size, color, anchor, fmt.Sprintf(format, args...))
}

func (c *chart) bar(x, y, width, height float64, color, tip string) {
	c.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"><title>%s</title></rect>`, x, y, width, height, color, tip)
}

func (c *chart) line(x1, y1, x2, y2 float64, color string, width float64) {
	c.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%.1f"/>`, x1, y1, x2, y2, color, width)
}

// writeChart draws both parts into a file.
func writeChart(file string, o options, r *result, b *backfill) error {
	return os.WriteFile(file, drawChart(o, r, b), 0o644)
}

func drawChart(o options, r *result, b *backfill) []byte {
	var shown []quota.Preset
	for _, k := range kinds {
		if r.examples[k.preset] != nil {
			shown = append(shown, k.preset)
		}
	}
	const plotHeight, top = 190, 150
	columns := max(1, min(3, len(shown)))
	rows := (len(shown) + columns - 1) / columns
	below := float64(top + rows*(plotHeight+70))
	height := below + 400

	var c chart
	c.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" width="%d" height="%.0f" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" role="img">`, chartWidth, height, chartWidth, height)
	c.add(`<title>Sending under limits, simulated</title>`)
	c.add(`<rect width="100%%" height="100%%" fill="#ffffff"/>`)
	c.text(40, 48, 24, ink, "start", "Sending under limits, simulated")
	c.text(40, 72, 14, muted, "start", "%s mailboxes, %d days from %s, seed %d: %s messages sent, %d violations",
		group(o.mailboxes), o.days, start.Format("2 January 2006"), o.seed, group(r.sent), r.violations)
	c.text(40, 112, 17, ink, "start", "Messages of a day, a mailbox of each kind that always has more to send")
	c.legend(chartWidth-40, 112, []string{sentColor, capColor}, []string{"sent, by hand included", "highest cap in force"})
	for i, p := range shown {
		width := float64(chartWidth-40) / float64(columns)
		x, y := 40+float64(i%columns)*width, float64(top+i/columns*(plotHeight+70))
		c.example(plot{x: x + 44, y: y + 22, width: width - 84, height: plotHeight}, string(p), r.examples[p])
	}
	c.text(40, below+8, 17, ink, "start", "Units of a minute, backfill of one Gmail mailbox beside live sync and sends")
	c.legend(chartWidth-40, below+8, append([]string{capColor}, laneColors...), []string{"budget", lanes[0].name, lanes[1].name, lanes[2].name})
	c.backfill(plot{x: 84, y: below + 36, width: chartWidth - 124, height: 280}, b)
	c.add(`</svg>`)
	return c.Bytes()
}

// legend ends at x.
func (c *chart) legend(x, y float64, colors, names []string) {
	for i := len(names) - 1; i >= 0; i-- {
		c.text(x, y, 13, ink, "end", "%s", names[i])
		x -= 7.4*float64(len(names[i])) + 18
		c.bar(x, y-10, 12, 12, colors[i], names[i])
		x -= 24
	}
}

// plot is an area with a vertical axis from 0 to most.
type plot struct{ x, y, width, height, most float64 }

func (p plot) level(v float64) float64 { return p.y + p.height*(1-v/p.most) }

// axis draws the vertical axis with round numbers that hold most, and returns
// the plot with its scale.
func (c *chart) axis(p plot, most float64) plot {
	step := math.Pow(10, math.Floor(math.Log10(max(1, most))))
	for _, part := range []float64{0.2, 0.5, 1, 2} {
		if s := step * part; most/s <= 5 {
			step = s
			break
		}
	}
	p.most = step * math.Ceil(most*1.04/step)
	for v := 0.0; v <= p.most+step/2; v += step {
		c.line(p.x, p.level(v), p.x+p.width, p.level(v), faint, 1)
		c.text(p.x-8, p.level(v)+4, 12, muted, "end", "%s", group(int(v)))
	}
	return p
}

func (c *chart) example(p plot, name string, e *example) {
	most := 1
	for _, d := range e.days {
		most = max(most, d.sent, d.cap)
	}
	c.text(p.x, p.y-12, 14, ink, "start", "%s", name)
	p = c.axis(p, float64(most))
	width := p.width / float64(len(e.days))
	path := ""
	for i, d := range e.days {
		x := p.x + float64(i)*width
		date := start.AddDate(0, 0, i)
		c.bar(x+width*0.12, p.level(float64(d.sent)), width*0.76, p.y+p.height-p.level(float64(d.sent)), sentColor,
			fmt.Sprintf("%s: %s sent, cap %s", date.Format("2 January"), group(d.sent), group(d.cap)))
		path += fmt.Sprintf("%s%.1f %.1fH%.1f", map[bool]string{true: "M", false: "L"}[i == 0], x, p.level(float64(d.cap)), x+width)
		if every := max(1, (len(e.days)+4)/5); i%every == 0 {
			c.text(x+width/2, p.y+p.height+18, 12, muted, "middle", "%s", date.Format("2 Jan"))
		}
	}
	c.add(`<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`, path, capColor)
	c.line(p.x, p.y+p.height, p.x+p.width, p.y+p.height, muted, 1)
}

func (c *chart) backfill(p plot, b *backfill) {
	p = c.axis(p, float64(max(unitsPerMinute, b.peak())))
	width := p.width / backfillMinutes
	for i := range backfillMinutes {
		x, below := p.x+float64(i)*width, 0
		for j, l := range lanes {
			n := b.units[l.lane][i]
			top := p.level(float64(below + n))
			c.bar(x+width*0.1, top, width*0.8, p.level(float64(below))-top, laneColors[j], fmt.Sprintf("minute %d, %s: %s units", i+1, l.name, group(n)))
			below += n
		}
		c.text(x+width/2, p.y+p.height+18, 12, muted, "middle", "%d", i+1)
	}
	c.line(p.x, p.level(unitsPerMinute), p.x+p.width, p.level(unitsPerMinute), capColor, 2)
	c.line(p.x, p.y+p.height, p.x+p.width, p.y+p.height, muted, 1)
	c.text(p.x+p.width/2, p.y+p.height+40, 13, muted, "middle", "minute")
	c.text(p.x+p.width, p.y+p.height+40, 12, muted, "end", "longest wait: sends %v, live sync %v",
		b.longest[lanes[2].lane].Round(time.Millisecond), b.longest[lanes[1].lane].Round(time.Millisecond))
}
