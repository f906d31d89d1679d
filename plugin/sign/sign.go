// Package sign makes a signed zone of an unsigned one. The signatures are a
// pure function of the records, the generations of keys and the moment: there
// is no randomness and nothing to remember, so a zone signed anew equals the
// zone signed step by step, octet by octet. What a version before has already
// is taken over, never made again.
//
// The order of use: NewPlan, Run every one of Jobs (in any order, several at
// once), Assemble, Seal.
package sign

import (
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// Key is a key of a zone. NewKey makes one.
type Key struct {
	zone.SigningKey
	Role      policy.Role
	DNSKEY    []byte // RDATA
	Published bool   // stands in the DNSKEY set; others may sign, but are only announced
	// Signer signs without being given randomness: ECDSA keys in memory are then
	// deterministic (RFC 6979 section 3.2), as RSA PKCS #1 v1.5 and Ed25519 always
	// are; others bring their own. Nil: only the public part is at hand.
	Signer crypto.Signer
}

// revoked reports whether the key is there to say that it is trusted no more.
func (k *Key) revoked() bool {
	return len(k.DNSKEY) > 1 && binary.BigEndian.Uint16(k.DNSKEY)&key.FlagRevoke != 0
}

// NewKey returns k as signing uses it. For one that revokes itself, pass its
// key.Key.Revoked form with the signer that it always had.
func NewKey(k key.Key, published bool, signer crypto.Signer) Key {
	rdata := k.DNSKEY()
	return Key{
		SigningKey: zone.SigningKey{
			Tag:       k.Tag,
			Algorithm: uint8(k.Algorithm),
			Size:      k.SignatureSize(),
			ID:        sha256.Sum256(rdata),
		},
		Role:      k.Role,
		DNSKEY:    rdata,
		Published: published,
		Signer:    signer,
	}
}

// Generation says which keys sign the zone and for how long, from a moment on.
// An RRset moves to it when it is due the first time after Since, so that a key
// roll or a policy change spreads over one period.
type Generation struct {
	Since          time.Time
	Validity       time.Duration // policy.Policy.Validity
	ValidityDNSKEY time.Duration // policy.Policy.ValidityDNSKEY
	Refresh        time.Duration // policy.Policy.Refresh

	ZoneSigners []int // in Input.Keys; they sign all but DNSKEY, CDS and CDNSKEY
}

// Input is all that a signed zone depends on.
type Input struct {
	Zone        *zone.Zone // unsigned
	Keys        []Key      // Signed.Keys will be theirs; a key that keeps its place costs nothing
	Generations []Generation
	// Generations are one or two, the older first. With one, every RRset is of
	// it at once, whatever its Since: an emergency, or the first signing.

	// DNSKEYSigners, in Keys, sign DNSKEY, CDS and CDNSKEY (RFC 7344 section 4.1),
	// whatever the generation: a chain of trust moves in one version, not in a
	// period. The times of these signatures are those of the newest generation. A
	// revoked key among them signs DNSKEY alone (RFC 5011 section 2.1). CDS and
	// CDNSKEY are signed by zone signers as well, of algorithms that have none here.
	DNSKEYSigners []int

	Denial policy.Denial
	Salt   []byte // of NSEC3

	DNSKEYTTL    uint32   // seconds; of DNSKEY, CDS and CDNSKEY
	CDS, CDNSKEY [][]byte // RDATA
	// Unsigned makes a zone without any DNSSEC record of ours, for one that has
	// gone insecure: no keys and nothing made of them may be given then, and the
	// denial is of no account.
	Unsigned bool
	// ZSKOnly serves Zone.Presigned as it is: nothing here can sign DNSKEY.
	ZSKOnly bool

	Now      time.Time    // after the caller's judgement of the clock; not before the previous version's
	Previous *zone.Signed // the version before, to take signatures from; nil: none
	Yield    func()       // called after each signature; nil: nothing is
}
