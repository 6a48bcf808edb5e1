package outlooktest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/mailtether/mailtether/outlook/outlooktest"
)

// A fake in process: two users, one message between them.
func Example() {
	fake := outlooktest.New(outlooktest.Options{})
	defer fake.Close()
	fake.AddUser(outlooktest.User{Address: "anna@contoso.example"})
	fake.AddUser(outlooktest.User{Address: "bert@contoso.example"})

	token, _ := fake.Tokens("anna@contoso.example", "Mail.Send")
	req, err := http.NewRequest(http.MethodPost, fake.URL()+"/v1.0/me/sendMail", strings.NewReader(`{
		"message": {
			"subject": "Lunch?",
			"toRecipients": [{"emailAddress": {"address": "bert@contoso.example"}}]
		}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: fake.Transport()}).Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.Status)
	for _, m := range fake.In("bert@contoso.example", "inbox") {
		fmt.Println(m.From, m.Subject)
	}
	// Output:
	// 202 Accepted
	// anna@contoso.example Lunch?
}

// A scripted failure: the message goes out, the answer does not come back.
func ExampleServer_Inject() {
	fake := outlooktest.New(outlooktest.Options{})
	defer fake.Close()
	fake.AddUser(outlooktest.User{Address: "anna@contoso.example"})
	fake.Inject(outlooktest.Fault{Path: "/v1.0/me", After: true, Status: 504})

	token, _ := fake.Tokens("anna@contoso.example")
	for range 2 {
		req, err := http.NewRequest(http.MethodGet, fake.URL()+"/v1.0/me?$select=mail", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := fake.Transport().RoundTrip(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		var user struct{ Mail string }
		_ = json.NewDecoder(resp.Body).Decode(&user)
		resp.Body.Close()
		fmt.Printf("%d %q\n", resp.StatusCode, user.Mail)
	}
	// Output:
	// 504 ""
	// 200 "anna@contoso.example"
}
