package gmailtest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/mailtether/mailtether/gmail/gmailtest"
)

// A user sends a message through the API, and the recipient answers.
func Example() {
	s := gmailtest.New(gmailtest.Options{})
	defer s.Close()
	s.AddUser(gmailtest.User{Address: "ann@example.com", Name: "Ann"})
	token, _ := s.Tokens("ann@example.com", gmailtest.ScopeModify)

	raw := base64.URLEncoding.EncodeToString([]byte("To: bob@elsewhere.example\r\nSubject: Lunch?\r\n\r\nToday?\r\n"))
	req, err := http.NewRequest("POST", s.URL()+"/gmail/v1/users/me/messages/send", strings.NewReader(`{"raw":"`+raw+`"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: s.Transport()}
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	var sent struct {
		ID       string   `json:"id"`
		LabelIDs []string `json:"labelIds"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&sent); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Status, sent.LabelIDs)

	answer, err := s.Reply("ann@example.com", sent.ID, gmailtest.ReplyOptions{Text: "At noon."})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range s.Messages("ann@example.com") {
		fmt.Println(m.Labels, m.ID == answer)
	}
	// Output:
	// 200 OK [SENT]
	// [INBOX UNREAD] true
	// [SENT] false
}

// A throttled call, then one whose answer is lost after it took effect.
func ExampleFault() {
	s := gmailtest.New(gmailtest.Options{})
	defer s.Close()
	s.AddUser(gmailtest.User{Address: "ann@example.com"})
	token, _ := s.Tokens("ann@example.com")
	s.Inject(gmailtest.Fault{
		Path: "*/labels", Status: 429, Header: http.Header{"Retry-After": {"7"}},
		Body: `{"error":{"code":429,"message":"Too many concurrent requests for user","status":"RESOURCE_EXHAUSTED"}}`,
	})
	s.Inject(gmailtest.Fault{Path: "*/labels", Lose: true, After: true})

	client := &http.Client{Transport: s.Transport()}
	for range 3 {
		req, err := http.NewRequest("GET", s.URL()+"/gmail/v1/users/me/labels", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		if err != nil {
			fmt.Println("no answer")
			continue
		}
		fmt.Println(resp.Status, resp.Header.Get("Retry-After"))
		resp.Body.Close()
	}
	// Output:
	// 429 Too Many Requests 7
	// no answer
	// 200 OK
}
