// Package state is the stored history of a zone: what cannot be computed again
// after a restart. It is one versioned JSON document a zone, changed by
// compare-and-swap. Everything here is pure: who stores the document, where and
// when is not decided here.
package state

import (
	"fmt"
	"time"
)

// Version is the version of the document that this package writes. A change that
// older readers would misunderstand takes a new number and a decoder of its own.
const Version = 1

// MaxClaims is how many serial claims a document keeps.
const MaxClaims = 16

// MaxGenerations is how many generations of keys and policy live at a time: the
// one that RRsets move to, each when its signature is due, and the one they leave.
const MaxGenerations = 2

// Document is the stored history of a zone.
type Document struct {
	Version int    `json:"version"`
	Zone    string `json:"zone"` // origin, lower case, with the final dot

	// Published is true from before the first version is served: from then on the
	// zone is answered and transferred by us for good.
	Published bool `json:"published"`

	Keys        []Key        `json:"keys"`           // unique by ID and by PublicDigest
	Generations []Generation `json:"generations"`    // oldest first, at most MaxGenerations, of Keys
	UsedTags    []UsedTag    `json:"used_tags"`      // of all keys that ever were, by tag, never removed
	Salt        []byte       `json:"salt,omitempty"` // of the NSEC3 chain; base64

	Policy         Policy `json:"policy"`          // in force
	PolicyRevision int    `json:"policy_revision"` // one more with each change of Policy

	Exposure Exposure  `json:"exposure"`           // of the whole zone
	LastSeen time.Time `json:"last_seen,omitzero"` // the latest moment at which the zone was worked on
	Claims   []Claim   `json:"claims"`             // oldest first, serials ascending (RFC 1982), at most MaxClaims
}

// Key is what is known of a key besides its octets. Moments are zero when unset.
type Key struct {
	ID           string    `json:"id"`                // in the key store
	Role         string    `json:"role"`              // KSK, ZSK or CSK
	Algorithm    uint8     `json:"algorithm"`         // as in a DNSKEY record (RFC 4034 section 2.1.3)
	Tag          uint16    `json:"tag"`               // RFC 4034 appendix B; unique among UsedTags
	PublicDigest string    `json:"public_digest"`     // SHA-256 of the DNSKEY RDATA, hex: this, not the tag, is who a key is
	Created      time.Time `json:"created,omitzero"`  //
	Publish      time.Time `json:"publish,omitzero"`  // in the DNSKEY set from then on
	Activate     time.Time `json:"activate,omitzero"` // signs from then on
	Inactive     time.Time `json:"inactive,omitzero"` // signs no more from then on
	Delete       time.Time `json:"delete,omitzero"`   // out of the DNSKEY set from then on
	Exposure     Exposure  `json:"exposure,omitzero"` // of what it signed
}

// UsedTag says which key had a tag. A key store that forgets a key and finds it
// again finds its tag still its own.
type UsedTag struct {
	Tag          uint16 `json:"tag"`
	PublicDigest string `json:"public_digest"` // as in Key
}

// Generation is a set of keys and the policy they sign by, from a moment on.
type Generation struct {
	Since          time.Time `json:"since"`
	Validity       Duration  `json:"validity"`        // of signatures
	ValidityDNSKEY Duration  `json:"validity_dnskey"` // of signatures over DNSKEY, CDS and CDNSKEY
	Refresh        Duration  `json:"refresh"`         // less than this is never left of a signature
	KSKs           []string  `json:"ksks"`            // IDs of the keys that sign DNSKEY, CDS and CDNSKEY: KSKs and CSKs
	ZSKs           []string  `json:"zsks"`            // IDs of the keys that sign the rest: ZSKs and CSKs
}

// Policy is what of the effective policy shows in the zone.
type Policy struct {
	Algorithm      uint8    `json:"algorithm"` // of new keys
	Scheme         string   `json:"scheme"`
	Validity       Duration `json:"validity"`
	ValidityDNSKEY Duration `json:"validity_dnskey"`
	Refresh        Duration `json:"refresh"`
	DNSKEYTTL      uint32   `json:"dnskey_ttl"` // seconds
	Serial         string   `json:"serial"`     // scheme
	Denial         Denial   `json:"denial"`
}

// Denial says how absence is proven.
type Denial struct {
	NSEC3      bool   `json:"nsec3"` // else NSEC, and the rest is zero
	OptOut     bool   `json:"opt_out"`
	SaltLength int    `json:"salt_length"` // octets
	Iterations uint16 `json:"iterations"`
}

// Exposure is the longest that anything published can still be in a cache. It
// only grows.
type Exposure struct {
	MaxTTL       uint32    `json:"max_ttl"` // seconds, the longest ever published
	LatestExpiry time.Time `json:"latest_expiry,omitzero"`
}

// Claim ties a serial to the content published under it.
type Claim struct {
	Serial uint32    `json:"serial"`
	Digest string    `json:"digest"` // SHA-256 of the signed zone without SOA and its RRSIG, hex
	Source string    `json:"source"` // of the source's records, hex
	Slot   time.Time `json:"slot"`   // of the signing schedule
}

// Duration is a time.Duration that is stored as text, such as "336h0m0s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration %q: %w", text, err)
	}
	*d = Duration(v)
	return nil
}
