package gmailtest

import (
	"fmt"
	"net/http"
	"time"
)

// meter counts units in windows of a minute and a day that begin with the first
// call in them.
type meter struct {
	minute, day     time.Time
	inMinute, inDay int
}

// roll begins new windows where the old ones are over.
func (m *meter) roll(now time.Time) {
	if now.Sub(m.minute) >= time.Minute || now.Before(m.minute) {
		m.minute, m.inMinute = now, 0
	}
	if now.Sub(m.day) >= 24*time.Hour || now.Before(m.day) {
		m.day, m.inDay = now, 0
	}
}

func exceeds(used, units, limit int) bool { return limit > 0 && used+units > limit }

// seats are the places that the parts of a batch got when it began.
type seats struct{ left int }

// enter takes a place among the calls of the mailbox that run at once, and the
// units of the call. free gives the place back.
func (s *Server) enter(c *call) (free func(), e *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.opts.Quota
	batch, _ := c.r.Context().Value(insideBatch{}).(*seats)
	if q.Parallel > 0 {
		if batch != nil {
			if batch.left <= 0 {
				return nil, exhausted("Too many concurrent requests for user")
			}
			batch.left--
		} else {
			if c.b.parallel >= q.Parallel {
				return nil, exhausted("Too many concurrent requests for user")
			}
			c.b.parallel++
		}
	}
	free = func() {
		if q.Parallel > 0 && batch == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			c.b.parallel--
		}
	}
	c.b.units.roll(c.now)
	s.project.roll(c.now)
	var refusal *apiError
	switch units := c.m.units; {
	case exceeds(s.project.inDay, units, q.DayUnits):
		refusal = &apiError{
			code: http.StatusForbidden, status: "PERMISSION_DENIED", domain: "usageLimits", reason: "dailyLimitExceeded",
			message: "Daily Limit Exceeded",
		}
	case exceeds(c.b.units.inMinute, units, q.UserUnits):
		refusal = s.overQuota("Queries per minute per user", "userRateLimitExceeded")
	case exceeds(s.project.inMinute, units, q.ProjectUnits):
		refusal = s.overQuota("Queries per minute", "rateLimitExceeded")
	default:
		c.b.units.inMinute += units
		s.project.inMinute += units
		s.project.inDay += units
		return free, nil
	}
	if q.Parallel > 0 && batch == nil {
		c.b.parallel--
	}
	return nil, refusal
}

func (s *Server) overQuota(limit, reason string) *apiError {
	e := exhausted(fmt.Sprintf("Quota exceeded for quota metric 'Queries' and limit '%s' of service 'gmail.googleapis.com' "+
		"for consumer 'project_number:%s'.", limit, s.opts.ProjectID))
	e.reason = reason
	e.info = "RATE_LIMIT_EXCEEDED"
	e.metadata = map[string]string{
		"quota_metric": "gmail.googleapis.com/default", "quota_limit": limit, "service": "gmail.googleapis.com",
		"consumer": "projects/" + s.opts.ProjectID,
	}
	if s.opts.Quota.Status == http.StatusForbidden {
		e.code, e.status = http.StatusForbidden, "PERMISSION_DENIED"
	}
	return e
}

// sit takes places for n parts of a batch: as many as are free. Parts run at
// once, therefore those without a place are refused.
func (s *Server) sit(b *box, n int) (taken int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b == nil || s.opts.Quota.Parallel <= 0 {
		return n
	}
	taken = max(0, min(n, s.opts.Quota.Parallel-b.parallel))
	b.parallel += taken
	return taken
}

func (s *Server) rise(b *box, n int) {
	if b == nil || s.opts.Quota.Parallel <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b.parallel -= n
}

// sendMeter keeps the sending limit of one mailbox.
type sendMeter struct {
	sent    []time.Time
	over    time.Time // when the limit was reached
	blocked time.Time // no sends before
}

// sendBlock is how far ahead the date of a refused send lies; trying again moves
// it on (twentyhq/twenty pull 17850, taers232c/GAMADV-XTD3 issue 337).
const sendBlock = 15 * time.Minute

// take counts one message. over means it is accepted and will come back.
func (m *sendMeter) take(now time.Time, o Options) (over bool, e *apiError) {
	if o.SendLimit <= 0 {
		return false, nil
	}
	for len(m.sent) > 0 && now.Sub(m.sent[0]) >= 24*time.Hour {
		m.sent = m.sent[1:]
	}
	if len(m.sent) < o.SendLimit && !now.Before(m.blocked) {
		m.over = time.Time{}
		m.sent = append(m.sent, now)
		return false, nil
	}
	if m.over.IsZero() {
		m.over = now
	}
	if o.SendLimitGrace > 0 && now.Sub(m.over) < o.SendLimitGrace && !now.Before(m.blocked) {
		return true, nil
	}
	m.blocked = now.Add(sendBlock)
	return false, retryAfter(m.blocked, "Mail sending")
}

// retryAfter is the refusal with a date that mailbox limits have.
func retryAfter(t time.Time, limit string) *apiError {
	return exhausted(fmt.Sprintf("User-rate limit exceeded.  Retry after %s (%s)",
		t.UTC().Format("2006-01-02T15:04:05.000Z"), limit))
}
