// Package gmail speaks to Gmail and Google Workspace mailboxes through the
// Gmail API (https://developers.google.com/workspace/gmail/api). It implements
// [mailbox.Provider]; the mailboxes it opens also implement
// [mailbox.SendResolver], [mailbox.SentReader], [mailbox.RawReader] and
// [mailbox.Watcher].
//
// # What it does with the network
//
// Every request goes through the transport of the [mailbox.Session], to the
// hosts of [Endpoints] and to no other, with a [mailbox.Call] in its context
// that tells what it costs. Google's own client library is used for its types
// and methods only: credentials of the environment, its logging and its retries
// play no part. A send is repeated only if Google certainly refused it: for an
// expired token, or for a thread that is not there.
//
// # Signing in
//
// Google says why a grant ended in one case alone, the reauthentication that an
// organisation wants; [Provider.ExplainGrant] guesses the others from the history
// of the grant, for the text that people read. What to do is decided by the class.
// A service account with domain-wide delegation opens mailboxes of
// mailbox.AccessApp: see [Provider.AppScopes].
//
// # Folders
//
// Gmail has labels. INBOX, SENT, DRAFT, SPAM and TRASH are the folders of the
// same name; a message with none of them stands in [mailbox.FolderArchive].
// Labels that users make, stars and categories are not folders and are left
// out. Archive and other folders cannot be listed.
//
// # Changes
//
// Changes reports messages of all folders but drafts, also archived, spam and
// deleted ones, since a filter may put an answer anywhere:
// [mailbox.Message.Folders] tells where. [mailbox.ChangeRemoved] means deleted
// for good; moving to the trash is [mailbox.ChangeUpdated].
//
// # Native access
//
// [Mailbox.Do] sends any request of the Gmail API with the mailbox's token,
// limits and error mapping. The native error behind a [mailbox.Error] is a
// [*google.golang.org/api/googleapi.Error] for refusals by the API and a
// [*TokenError] for refusals by Google's OAuth server.
package gmail
