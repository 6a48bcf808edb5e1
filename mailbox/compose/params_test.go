package compose

import (
	"mime"
	"strings"
	"testing"
)

func TestParams(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in    string
		value string
		name  string
		want  string
		bad   bool
	}{
		{in: "", value: ""},
		{in: "Text/PLAIN", value: "text/plain"},
		{in: "text/plain; Charset=UTF-8", value: "text/plain", name: "charset", want: "UTF-8"},
		{in: "text/plain charset=utf-8", value: "text/plain", name: "charset", want: "utf-8"},
		{in: "text/plain (a comment); charset=utf-8", value: "text/plain", name: "charset", want: "utf-8"},
		{in: "text/plain;;charset = utf-8 ;", value: "text/plain", name: "charset", want: "utf-8"},
		{in: "text/plain; charset; format=flowed", value: "text/plain", name: "format", want: "flowed"},
		{in: `a/b; name="x;y\"z\\"; n=1`, value: "a/b", name: "name", want: `x;y"z\`},
		{in: `a/b; name="C:\temp\file.txt"`, value: "a/b", name: "name", want: `C:\temp\file.txt`},
		{in: `a/b; name="open`, value: "a/b", name: "name", want: "open"},
		{in: `a/b; name=two words.txt; x=y`, value: "a/b", name: "name", want: "two words.txt"},
		{in: `a/b; name=first; name=second`, value: "a/b", name: "name", want: "first"},
		{in: `a/b; name="=?utf-8?q?=C3=BC?="`, value: "a/b", name: "name", want: "ü"},
		{in: `a/b; name*=utf-8'de'%C3%BC%20x`, value: "a/b", name: "name", want: "ü x"},
		{in: `a/b; name*=iso-8859-1''%FC; name=other`, value: "a/b", name: "name", want: "ü"},
		{in: `a/b; name*0=one; name*1=" two"; name*2=.txt`, value: "a/b", name: "name", want: "one two.txt"},
		{in: `a/b; name*1*=%BC.txt; name*0*=utf-8''%C3`, value: "a/b", name: "name", want: "ü.txt"},
		{in: `a/b; name*0*=utf-8''%C3%BC; name*1=%20plain`, value: "a/b", name: "name", want: "ü%20plain"},
		{in: `a/b; name*0="=?utf-8?q?=C3=BC"; name*1="?="`, value: "a/b", name: "name", want: "ü"},

		{in: `a/b; name*=%C3%BC`, value: "a/b", name: "name", want: "ü", bad: true},
		{in: `a/b; name*=utf-8''%C3%ZZ`, value: "a/b", name: "name", want: "Ã%ZZ", bad: true},
		{in: `a/b; name*=martian''%FC`, value: "a/b", name: "name", want: "ü", bad: true},
		{in: `a/b; name*0=one; name*2=three`, value: "a/b", name: "name", want: "onethree", bad: true},
		{in: `a/b; name*=utf-8''a%0D%0Ab`, value: "a/b", name: "name", want: "a  b"},
	}
	for _, tt := range tests {
		value, ps := parseParams(tt.in)
		if value != tt.value {
			t.Errorf("%q: value %q, want %q", tt.in, value, tt.value)
		}
		if got, ok := ps.text(tt.name); got != tt.want || ok == tt.bad {
			t.Errorf("%q: %s is %q, %v; want %q, %v", tt.in, tt.name, got, ok, tt.want, !tt.bad)
		}
	}
	_, ps := parseParams("text/plain; charset=us-ascii (Plain text)")
	if got := ps.token("charset"); got != "us-ascii" {
		t.Errorf("charset %q", got)
	}
	_, ps = parseParams("a/b" + strings.Repeat("; x=y", 1000) + "; name=z")
	if _, ok := ps.get("name"); ok || len(ps) != maxParams {
		t.Errorf("%d parameters", len(ps))
	}
}

// TestMediaValue writes parameters and reads them with our reader and the
// standard library's.
func TestMediaValue(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"token", "two words", `q"uo\te`, "double  space", "ü", "=?utf-8?q?a?=", "100%", "a'b*c",
		strings.Repeat("x", 300), strings.Repeat("ü", 150), strings.Repeat("🙂", 60),
	} {
		v := newMediaValue("attachment")
		v.param("filename", value)
		for token := range strings.SplitSeq(v.String(), "; ") {
			if len(token) > 74 {
				t.Errorf("%q: %d characters without a place to fold", value, len(token))
			}
		}
		_, ps := parseParams(v.String())
		if got, ok := ps.text("filename"); got != value || !ok {
			t.Errorf("%q came back as %q, %v", value, got, ok)
		}
		_, params, err := mime.ParseMediaType(v.String())
		if err != nil || params["filename"] != value {
			t.Errorf("%q: mime reads %q, %v", value, params["filename"], err)
		}
		v = newMediaValue("a/b")
		v.wordsParam("name", value)
		_, ps = parseParams(v.String())
		if got, ok := ps.text("name"); got != value || !ok {
			t.Errorf("%q in words came back as %q, %v", value, got, ok)
		}
	}
}
