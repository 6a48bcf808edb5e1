package outlook

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mailtether/mailtether/internal/gate"
	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/outlook/internal/graph"
)

// Endpoints are the places a provider speaks to. Empty fields mean those of
// [Config.Cloud].
type Endpoints struct {
	// GraphURL is the root of the API, including the version:
	// "https://graph.microsoft.com/v1.0".
	GraphURL string
	// AuthorityURL is the sign-in authority without tenant:
	// "https://login.microsoftonline.com".
	AuthorityURL string
}

// EndpointsAt puts all endpoints on one host, for fakes and proxies.
func EndpointsAt(base string) Endpoints {
	base = strings.TrimSuffix(base, "/")
	return Endpoints{GraphURL: base + "/v1.0", AuthorityURL: base}
}

// Config configures a Provider. The zero value is Microsoft's worldwide cloud
// with accounts of every kind.
type Config struct {
	// Cloud is the cloud that the app is registered in.
	Cloud Cloud
	// Endpoints replace those of the cloud, for fakes and proxies.
	Endpoints Endpoints
	// Tenant is who may sign in: "common" (the default: work, school and personal
	// accounts), "organizations", "consumers", or one tenant by id or domain, which
	// then serves every account.
	Tenant string
	// Folders are watched for changes. Default: inbox and sent. A cursor keeps
	// the folders it was made with.
	Folders []mailbox.Folder
	// UploadOrigins are the hosts that upload links may lead to, besides that of
	// GraphURL. Default for the worldwide cloud: https://outlook.office.com and
	// https://outlook.office365.com (Microsoft Graph, "Attach large files to
	// Outlook messages"). Microsoft does not name those of other clouds: there the
	// default is none, and large mail fails with the code "foreign_host" until
	// they are set.
	UploadOrigins []string

	// MaxMessage is the largest message that is tried, in bytes as it travels.
	// Default 35 MB, which is said to be Exchange Online's own default;
	// administrators can change it. A larger message is refused before any
	// request.
	MaxMessage int64
	// MaxRequest is the largest request body that Graph takes. Default 4 MB: the
	// documented limit of MIME messages and of parts of an upload (Microsoft
	// Graph, "Create message", 2024-08). Larger mail is uploaded in parts.
	MaxRequest int64
	// SettleAfter is how long a draft whose send has no known outcome is waited
	// for before it counts as not sent. Exchange leaves a message in Drafts until
	// transport has taken it, and delays those above 30 a minute. Default 5
	// minutes.
	SettleAfter time.Duration
	// DoubtThrottled makes a sendMail that is answered 429 OutcomeUnknown. By
	// default it counts as not sent. Mail that was delivered in spite of such an
	// answer has been reported (Microsoft Q&A 5629476, 2025-11). A draft is looked
	// up in either case.
	DoubtThrottled bool
	// DeltaHeaders asks for the header block inside changes, which Microsoft
	// neither documents nor excludes. By default, and for messages that come
	// without it, it is fetched by batches.
	DeltaHeaders bool
}

// Provider implements [mailbox.Provider] for Outlook and Microsoft 365.
type Provider struct {
	config    Config
	origins   []string // where tokens may go
	uploads   []string // where uploads may go without one
	resources []string // the names of Graph in scopes, that of this provider first
}

var (
	_ mailbox.Provider          = (*Provider)(nil)
	_ mailbox.DirectoryProvider = (*Provider)(nil)
	_ mailbox.IDTokenReader     = (*Provider)(nil)
	_ mailbox.GrantExplainer    = (*Provider)(nil)
	_ mailbox.AppProvider       = (*Provider)(nil)
	_ mailbox.AccountIdentifier = (*Provider)(nil)
)

// New returns a provider. It fails with ClassInvalid, naming the field.
func New(c Config) (*Provider, error) {
	p := &Provider{config: c}
	d := &p.config
	cloud, ok := clouds[d.Cloud]
	if !ok {
		return nil, mailbox.Invalid("cloud", "one of the constants", "is unknown")
	}
	d.Endpoints.GraphURL = cmp.Or(d.Endpoints.GraphURL, cloud.GraphURL)
	d.Endpoints.AuthorityURL = cmp.Or(d.Endpoints.AuthorityURL, cloud.AuthorityURL)
	d.Tenant = cmp.Or(d.Tenant, tenantCommon)
	d.MaxMessage = cmp.Or(d.MaxMessage, 35_000_000)
	d.MaxRequest = cmp.Or(d.MaxRequest, 4_000_000)
	d.SettleAfter = cmp.Or(d.SettleAfter, 5*time.Minute)
	d.Endpoints.GraphURL = strings.TrimSuffix(d.Endpoints.GraphURL, "/")
	d.Endpoints.AuthorityURL = strings.TrimSuffix(d.Endpoints.AuthorityURL, "/")
	if d.Folders == nil {
		d.Folders = []mailbox.Folder{mailbox.FolderInbox, mailbox.FolderSent}
	}
	if d.UploadOrigins == nil && d.Cloud == CloudWorldwide {
		d.UploadOrigins = []string{"https://outlook.office.com", "https://outlook.office365.com"}
	}
	d.Folders = slices.Clone(d.Folders)
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Provider) check() error {
	c := &p.config
	origin, err := gate.Origin("endpoints.graph_url", c.Endpoints.GraphURL)
	if err != nil {
		return err
	}
	p.origins, p.resources = []string{origin}, []string{origin}
	for _, cloud := range clouds {
		p.resources = append(p.resources, strings.TrimSuffix(cloud.GraphURL, "/v1.0"))
	}
	if _, err := gate.Origin("endpoints.authority_url", c.Endpoints.AuthorityURL); err != nil {
		return err
	}
	for _, u := range c.UploadOrigins {
		origin, err := gate.Origin("upload_origins", u)
		if err != nil {
			return err
		}
		p.uploads = append(p.uploads, origin)
	}
	if !isTenant(c.Tenant) {
		return mailbox.Invalid("tenant", `"common", "organizations", "consumers", a tenant id or domain`, "is malformed")
	}
	if len(c.Folders) == 0 {
		return mailbox.Invalid("folders", "at least one", "is empty")
	}
	for i, f := range c.Folders {
		if folderName(f) == "" || f == mailbox.FolderDrafts || slices.Contains(c.Folders[:i], f) {
			return mailbox.Invalid("folders", "inbox, sent, spam, trash, archive, each once", "names another folder or one twice")
		}
	}
	for _, n := range []struct {
		field string
		value int64
		least int64
	}{
		{"max_message", c.MaxMessage, 1},
		{"max_request", c.MaxRequest, 16 << 10},
		{"settle_after", int64(c.SettleAfter), 1},
	} {
		if n.value < n.least {
			return mailbox.Invalid(n.field, "positive, max_request at least 16 KiB", "is too small")
		}
	}
	return nil
}

// Name returns [mailbox.Outlook].
func (p *Provider) Name() mailbox.ProviderName { return mailbox.Outlook }

// Open returns the mailbox of an account, a [*Mailbox]. It makes no request. An
// account of mailbox.AccessShared or AccessApp is the mailbox at its Address, used
// with the token of the session; what can be done with a shared one are those of
// its Capabilities that a ".Shared" scope allows too.
func (p *Provider) Open(a mailbox.Account, s mailbox.Session) (mailbox.Mailbox, error) {
	if s.Tokens == nil {
		return nil, mailbox.Invalid("session.tokens", "a token source", "is nil")
	}
	if a.Provider != "" && a.Provider != mailbox.Outlook {
		return nil, mailbox.Invalid("account.provider", string(mailbox.Outlook), "is another provider")
	}
	m := &Mailbox{p: p, account: a, can: a.Capabilities}
	switch a.Access {
	case mailbox.AccessUser:
		m.graph = p.client(a, s)
		return m, nil
	case mailbox.AccessShared:
		if len(a.Scopes) > 0 { // else Graph tells
			m.can &= p.grantedShared(a.Scopes)
		}
	case mailbox.AccessApp:
	default:
		return nil, mailbox.Invalid("account.access", "user, shared or app", "is another one")
	}
	if !isAddress(a.Address) {
		return nil, mailbox.Invalid("account.address", "the address of the mailbox", "is not one")
	}
	m.graph = p.client(a, s)
	m.graph.User = a.Address
	refusal := m.graph.Gate.Refusal
	m.graph.Gate.Refusal = func(answer gate.Answer) *mailbox.Error {
		e := refusal(answer)
		if e.Cause == mailbox.CauseConsent {
			e.Cause = mailbox.CauseNoRights // the permissions are there, or are the administrator's
		}
		return e
	}
	return m, nil
}

func (p *Provider) client(a mailbox.Account, s mailbox.Session) *graph.Client {
	return &graph.Client{
		Gate: &gate.Gate{
			Provider: mailbox.Outlook, Mailbox: a.Mailbox, Session: s,
			Origins: p.origins, OpenOrigins: p.uploads, Refusal: p.refusal,
		},
		Base: p.config.Endpoints.GraphURL,
		Call: mailbox.Call{Ref: a.Ref, Provider: mailbox.Outlook, App: a.App},
	}
}
