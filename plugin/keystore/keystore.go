// Package keystore is the port to whatever holds private keys. A key never
// leaves it: callers get a crypto.Signer. The back end is software, BIND key
// files in a directory.
package keystore

import (
	"context"
	"crypto"
	"errors"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
)

var (
	// ErrNotExist says that the zone has no key of that ID.
	ErrNotExist = errors.New("key does not exist")
	// ErrIncomplete says that making the key was interrupted, or that a part of
	// it was removed. Such a key was never published: it is safe to go on
	// without it.
	ErrIncomplete = errors.New("key is incomplete")
	// ErrPublicOnly says that only the public part is at hand: the private key
	// is kept off-line, or by another signer.
	ErrPublicOnly = errors.New("only the public part of the key is here")
)

// Timing is the timing metadata of a key, as dnssec-keygen and dnssec-settime
// write it. A zero time is unset.
type Timing struct {
	Created     time.Time // when the key was made
	Publish     time.Time // when the DNSKEY enters the zone
	Activate    time.Time // when the key begins to sign
	Revoke      time.Time // when the key revokes itself (RFC 5011)
	Inactive    time.Time // when the key stops to sign
	Delete      time.Time // when the DNSKEY leaves the zone
	SyncPublish time.Time // when CDS and CDNSKEY enter the zone
	SyncDelete  time.Time // when CDS and CDNSKEY leave the zone
}

// Entry is one key of a zone.
type Entry struct {
	ID         string // "Kexample.org.+013+12345" where keys are BIND files
	Key        key.Key
	Timing     Timing
	HasTiming  bool              // the key came with timing metadata
	State      map[string]string // the lines of BIND's .state file; nil without one
	Err        error             // why the key cannot be used; it names the file
	PublicOnly bool              // no private part here: an off-line key, or another signer's
}

// Spec says what key to make.
type Spec struct {
	Role      policy.Role
	Algorithm policy.Algorithm
	Bits      int       // RSA modulus; 0: the algorithm's default
	Now       time.Time // goes into the timing metadata
	Spare     bool      // the key is for later: the metadata says when it was made, not that it is in use
	// Used reports whether the zone has, or ever had, a key with this tag; no
	// two keys of a zone share one. It is asked for the tag of the new key and for
	// the one that it would have revoked (RFC 5011 section 3). Nil: none.
	Used func(tag uint16) bool
}

// Keystore holds the private keys of zones. Zones are named like "example.org.",
// the final dot may be missing.
//
// Implementers owe: every method may be called concurrently, also from several
// processes; no key that exists is ever overwritten; a key that Create returned
// is durable; a key that cannot be read is listed with Err set, it does not hide
// the others.
//
// Callers must tolerate: after an error of Create the key may exist all the
// same. It is then a spare, listed like every other.
type Keystore interface {
	// Create makes a key and keeps it.
	Create(ctx context.Context, zone string, spec Spec) (Entry, error)

	// List returns the zone's keys sorted by ID, unusable ones included. The
	// error is for what keeps it from looking at all. A place that does not
	// exist holds no keys.
	List(ctx context.Context, zone string) ([]Entry, error)

	// Open returns the signer of a key: a plain *ecdsa.PrivateKey,
	// ed25519.PrivateKey or *rsa.PrivateKey where the key is in software.
	Open(ctx context.Context, zone string, id string) (crypto.Signer, error)

	// Destroy removes the key for good; ErrNotExist if there is none.
	Destroy(ctx context.Context, zone, id string) error
}

// TimingWriter is a Keystore that keeps the times of keys where whoever finds
// them later looks for them: a signer without its state, or another program.
type TimingWriter interface {
	// WriteTiming has the timing metadata of a key be t; zero times are unset.
	// Whatever else the key store has of the key's past, such as BIND's .state
	// file, goes: it would say otherwise.
	WriteTiming(ctx context.Context, zone, id string, t Timing) error
}

// DSWriter is a Keystore that also keeps a zone's DS records for the operator,
// in zone-file form.
type DSWriter interface {
	WriteDS(ctx context.Context, zone string, records []string) error
}
