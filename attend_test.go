package autosign

import (
	"crypto"
	"crypto/ed25519"
	"testing"
)

// newPublic returns a public key that nobody has.
func newPublic(t *testing.T) crypto.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return public
}
