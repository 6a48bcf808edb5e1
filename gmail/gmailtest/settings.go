package gmailtest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailtether/mailtether/mailbox"
)

func (c *call) getProfile() (any, *apiError) {
	return struct {
		EmailAddress  string `json:"emailAddress"`
		MessagesTotal int    `json:"messagesTotal"`
		ThreadsTotal  int    `json:"threadsTotal"`
		HistoryID     string `json:"historyId"`
	}{
		c.b.user.Address, len(c.b.messages), len(c.b.threads),
		strconv.FormatUint(c.b.present(c.now), 10),
	}, nil
}

// labelJSON is the schema Label.
type labelJSON struct {
	ID                    string `json:"id"`
	Name                  string `json:"name"`
	Type                  string `json:"type"`
	MessageListVisibility string `json:"messageListVisibility,omitempty"`
	LabelListVisibility   string `json:"labelListVisibility,omitempty"`
	MessagesTotal         *int   `json:"messagesTotal,omitempty"`
	MessagesUnread        *int   `json:"messagesUnread,omitempty"`
	ThreadsTotal          *int   `json:"threadsTotal,omitempty"`
	ThreadsUnread         *int   `json:"threadsUnread,omitempty"`
}

func (c *call) allLabels() []labelJSON {
	var out []labelJSON
	for _, id := range systemLabels {
		out = append(out, labelJSON{ID: id, Name: id, Type: "system"})
	}
	for _, l := range c.b.labels {
		out = append(out, labelJSON{
			ID: l.id, Name: l.name, Type: "user",
			MessageListVisibility: "show", LabelListVisibility: "labelShow",
		})
	}
	return out
}

func (c *call) labelsList() (any, *apiError) {
	return struct {
		Labels []labelJSON `json:"labels"`
	}{c.allLabels()}, nil
}

func (c *call) labelsGet() (any, *apiError) {
	id := c.r.PathValue("id")
	for _, l := range c.allLabels() {
		if l.ID != id {
			continue
		}
		var total, unread int
		threads, unreadThreads := map[string]bool{}, map[string]bool{}
		for _, m := range c.b.order {
			if !m.has(id) {
				continue
			}
			total++
			threads[m.thread] = true
			if m.has(labelUnread) {
				unread++
				unreadThreads[m.thread] = true
			}
		}
		l.MessagesTotal, l.MessagesUnread = &total, &unread
		l.ThreadsTotal, l.ThreadsUnread = new(len(threads)), new(len(unreadThreads))
		return l, nil
	}
	return nil, notFound()
}

// labelsCreate takes name and visibilities; colours are not modelled.
func (c *call) labelsCreate() (any, *apiError) {
	var in struct {
		ID                    string `json:"id"`
		Name                  string `json:"name"`
		Type                  string `json:"type"`
		MessageListVisibility string `json:"messageListVisibility"`
		LabelListVisibility   string `json:"labelListVisibility"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Name == "" {
		return nil, badArgument("Invalid label name")
	}
	for _, l := range c.allLabels() {
		if strings.EqualFold(l.Name, in.Name) {
			e := badArgument("Label name exists or conflicts")
			e.code, e.status, e.reason = http.StatusConflict, "ALREADY_EXISTS", "aborted"
			return nil, e
		}
	}
	l := c.b.addLabel(in.Name)
	return labelJSON{
		ID: l.id, Name: l.name, Type: "user",
		MessageListVisibility: "show", LabelListVisibility: "labelShow",
	}, nil
}

// sendAsJSON is the schema SendAs.
type sendAsJSON struct {
	SendAsEmail        string `json:"sendAsEmail"`
	DisplayName        string `json:"displayName"`
	ReplyToAddress     string `json:"replyToAddress"`
	Signature          string `json:"signature"`
	IsPrimary          bool   `json:"isPrimary,omitempty"`
	IsDefault          bool   `json:"isDefault,omitempty"`
	TreatAsAlias       bool   `json:"treatAsAlias,omitempty"`
	VerificationStatus string `json:"verificationStatus,omitempty"`
}

// allSendAs lists the addresses a user sends from. verificationStatus is missing
// for the primary address and for native aliases (openclaw/gogcli issue 406).
func (c *call) allSendAs() []sendAsJSON {
	u := c.b.user
	out := []sendAsJSON{{SendAsEmail: u.Address, DisplayName: u.Name, IsPrimary: true, IsDefault: true}}
	for _, a := range u.Aliases {
		out = append(out, sendAsJSON{SendAsEmail: a, DisplayName: u.Name, TreatAsAlias: true})
	}
	for _, a := range u.SendAs {
		out = append(out, sendAsJSON{SendAsEmail: a, DisplayName: u.Name, VerificationStatus: "accepted"})
	}
	for _, a := range u.PendingSendAs {
		out = append(out, sendAsJSON{SendAsEmail: a, DisplayName: u.Name, VerificationStatus: "pending"})
	}
	return out
}

func (c *call) sendAsList() (any, *apiError) {
	return struct {
		SendAs []sendAsJSON `json:"sendAs"`
	}{c.allSendAs()}, nil
}

func (c *call) sendAsGet() (any, *apiError) {
	for _, a := range c.allSendAs() {
		if mailbox.SameAddress(a.SendAsEmail, c.r.PathValue("sendAsEmail")) {
			return a, nil
		}
	}
	return nil, notFound()
}

// Watch is a push subscription of a mailbox. The fake remembers it; it does not
// publish anything.
type Watch struct {
	Topic          string
	LabelIDs       []string
	FilterBehavior string
	HistoryID      uint64
	Expires        time.Time
}

// watchFor is how long a watch lasts (guide "push", read 2026-11-20).
const watchFor = 7 * 24 * time.Hour

func (c *call) startWatch() (any, *apiError) {
	var in struct {
		TopicName           string   `json:"topicName"`
		LabelIDs            []string `json:"labelIds"`
		LabelFilterBehavior string   `json:"labelFilterBehavior"`
		LabelFilterAction   string   `json:"labelFilterAction"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	project, topic, ok := strings.Cut(strings.TrimPrefix(in.TopicName, "projects/"), "/topics/")
	if !ok || !strings.HasPrefix(in.TopicName, "projects/") || project != c.s.opts.ProjectID ||
		topic == "" || strings.Contains(topic, "/") {
		return nil, badArgument("Invalid topicName does not match projects/%s/topics/*", c.s.opts.ProjectID)
	}
	for _, id := range in.LabelIDs {
		if !c.b.knows(id) {
			return nil, badArgument("Invalid label: %s", id)
		}
	}
	if !slices.Contains([]string{"", "include", "exclude"}, strings.ToLower(in.LabelFilterBehavior)) {
		return nil, badArgument("Invalid value at 'label_filter_behavior'")
	}
	if w := c.b.watch; w != nil && w.Topic != in.TopicName && c.now.Before(w.Expires) {
		return nil, failedPrecondition("Only one user push notification client allowed per developer (call /stop then try again)")
	}
	c.b.watch = &Watch{
		Topic: in.TopicName, LabelIDs: in.LabelIDs, FilterBehavior: in.LabelFilterBehavior,
		HistoryID: c.b.historyID, Expires: c.now.Add(watchFor),
	}
	return struct {
		HistoryID  string `json:"historyId"`
		Expiration string `json:"expiration"`
	}{utoa(c.b.present(c.now)), strconv.FormatInt(c.b.watch.Expires.UnixMilli(), 10)}, nil
}

func (c *call) stopWatch() (any, *apiError) {
	c.b.watch = nil
	return noContent{}, nil
}

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }
