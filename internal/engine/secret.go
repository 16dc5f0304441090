// SPDX-License-Identifier: Apache-2.0

package engine

// Keys of the Secret that the server's pod mounts, beside [KeyGeneration].
const (
	KeyTLSCert        = "tls.crt"
	KeyTLSKey         = "tls.key"
	KeyDialbackSecret = "dialback-secret"
	KeyToken          = "token"
	KeyAccounts       = "accounts.json"
)

// Secrets are the confidential inputs of a server.
type Secrets struct {
	// Cert and Key are the PEM certificate chain and private key for all domains.
	Cert, Key []byte
	// DialbackSecret is the key of XEP-0185, the same for the life of the Federation.
	DialbackSecret []byte
	// Token authenticates the operator to the server's status endpoint.
	Token []byte
	// Accounts is the result of [Accounts].
	Accounts []byte
}

// Data returns the contents of the Secret to mount and their generation, which
// the server reports once applied.
func (s Secrets) Data() (data map[string][]byte, generation string) {
	data = map[string][]byte{
		KeyTLSCert:        s.Cert,
		KeyTLSKey:         s.Key,
		KeyDialbackSecret: s.DialbackSecret,
		KeyToken:          s.Token,
		KeyAccounts:       s.Accounts,
	}
	generation = Generation(data)
	data[KeyGeneration] = []byte(generation)
	return data, generation
}
