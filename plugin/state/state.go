// Package state is the stored history of a zone: what cannot be computed again
// after a restart. One versioned JSON document a zone, changed by
// compare-and-swap. Everything here is pure; who stores it and when is not
// decided here.
package state

import (
	"time"
)

// Version is the version of the document that this package writes.
const Version = 1

// MaxClaims is how many serial claims a document keeps.
const MaxClaims = 16

// MaxGenerations is how many generations of keys and policy live at a time
// (a set of records moves to the next when its signature is due).
const MaxGenerations = 2

// Document is the stored history of a zone.
type Document struct {
	Version int    `json:"version"`
	Zone    string `json:"zone"` // origin, with the final dot

	// Published is true from the moment before the first version is served:
	// from then on the zone is answered and transferred by us for good.
	Published bool `json:"published"`

	Keys        []Key        `json:"keys"`        // unique by ID
	Generations []Generation `json:"generations"` // oldest first, at most MaxGenerations
	UsedTags    []uint16     `json:"used_tags"`   // of all keys that ever were, ascending, never removed
	Salt        []byte       `json:"salt"`        // of the NSEC3 chain, base64

	Policy         Policy `json:"policy"`          // in force
	PolicyRevision int    `json:"policy_revision"` // grows by one with each change of Policy

	Exposure Exposure  `json:"exposure"`           // of the whole zone
	LastSeen time.Time `json:"last_seen,omitzero"` // the latest moment at which the zone was worked on
	Claims   []Claim   `json:"claims"`             // oldest first, serials ascending (RFC 1982), at most MaxClaims
}

// Key is what is known of a key besides its octets.
type Key struct {
	ID           string    `json:"id"`            // in the key store
	Role         string    `json:"role"`          // KSK, ZSK or CSK
	Algorithm    uint8     `json:"algorithm"`     // RFC 8624 number
	Tag          uint16    `json:"tag"`           // RFC 4034 appendix B
	PublicDigest string    `json:"public_digest"` // SHA-256 of the DNSKEY RDATA, hex: a key is known by this, not by its tag
	Created      time.Time `json:"created"`
	Publish      time.Time `json:"publish,omitzero"`  // in the DNSKEY set from then on
	Activate     time.Time `json:"activate,omitzero"` // signs from then on; zero: "DNSKEY only"
	Inactive     time.Time `json:"inactive,omitzero"` // signs no more
	Delete       time.Time `json:"delete,omitzero"`   // out of the DNSKEY set
	Exposure     Exposure  `json:"exposure"`          // of what it signed
}

// Generation is a set of keys and the policy they sign by, from a moment on.
type Generation struct {
	Since          time.Time `json:"since"`
	Validity       Duration  `json:"validity"`        // of signatures
	ValidityDNSKEY Duration  `json:"validity_dnskey"` // of signatures over DNSKEY, CDS, CDNSKEY
	Refresh        Duration  `json:"refresh"`         // what is always left of a signature
	KSKs           []string  `json:"ksks"`            // IDs of the keys that sign DNSKEY, CDS, CDNSKEY: KSKs and CSKs
	ZSKs           []string  `json:"zsks"`            // IDs of the keys that sign the rest: ZSKs and CSKs
}

// Policy is what of the effective policy shows in the zone.
type Policy struct {
	Algorithm      uint8    `json:"algorithm"` // of new keys
	Scheme         string   `json:"scheme"`    // split or csk
	Validity       Duration `json:"validity"`
	ValidityDNSKEY Duration `json:"validity_dnskey"`
	Refresh        Duration `json:"refresh"`
	DNSKEYTTL      uint32   `json:"dnskey_ttl"` // seconds
	Serial         string   `json:"serial"`     // scheme
	NSEC3          *NSEC3   `json:"nsec3"`      // null: NSEC
}

// NSEC3 are the parameters of an NSEC3 chain (RFC 5155 section 4).
type NSEC3 struct {
	OptOut     bool   `json:"opt_out"`
	SaltLength int    `json:"salt_length"` // octets
	Iterations uint16 `json:"iterations"`
}

// Exposure is the longest that anything can still be in a cache.
type Exposure struct {
	MaxTTL       uint32    `json:"max_ttl"` // seconds, the longest ever published
	LatestExpiry time.Time `json:"latest_expiry,omitzero"`
}

// Claim ties a serial to the content published under it.
type Claim struct {
	Serial uint32    `json:"serial"`
	Digest string    `json:"digest"` // of the signed zone without SOA and its RRSIG, hex
	Source string    `json:"source"` // of the source's records, hex
	Slot   time.Time `json:"slot"`   // of the signing schedule
}
