module github.com/mailtether/mailtether/examples/tink

go 1.26.0

require (
	github.com/mailtether/mailtether v0.0.0
	github.com/tink-crypto/tink-go/v2 v2.9.0
)

require (
	github.com/go-jose/go-jose/v4 v4.1.9 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/mailtether/mailtether => ../../
