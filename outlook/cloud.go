package outlook

// Cloud is one of Microsoft's clouds, which know nothing of each other: an app
// has to be registered in each one it is for, and a provider speaks to one. Signing in
// to the worldwide cloud as a user of another one is refused with AADSTS90038,
// mailbox.ClassConfig.
type Cloud string

// The clouds (msgraph-sdk-go-core 1.4 and MSAL for Go 1.10, 2026). Mail works in
// all of them; Graph lacks single features in the national ones.
const (
	// CloudWorldwide is also that of GCC, and the only one with personal
	// accounts.
	CloudWorldwide Cloud = ""
	// CloudGCCHigh is US Government L4.
	CloudGCCHigh Cloud = "gcc_high"
	// CloudDoD is US Government L5.
	CloudDoD Cloud = "dod"
	// CloudChina is operated by 21Vianet.
	CloudChina Cloud = "china"
)

// clouds tell where each cloud is.
var clouds = map[Cloud]Endpoints{
	CloudWorldwide: {"https://graph.microsoft.com/v1.0", "https://login.microsoftonline.com"},
	CloudGCCHigh:   {"https://graph.microsoft.us/v1.0", "https://login.microsoftonline.us"},
	CloudDoD:       {"https://dod-graph.microsoft.us/v1.0", "https://login.microsoftonline.us"},
	CloudChina:     {"https://microsoftgraph.chinacloudapi.cn/v1.0", "https://login.partner.microsoftonline.cn"},
}
