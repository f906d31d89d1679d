// Package state is the stored history of a zone: what cannot be computed again
// after a restart. It is one versioned JSON document a zone, changed by
// compare-and-swap. Everything here is pure: who stores the document, where and
// when is not decided here.
package state

import (
	"fmt"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// Version is the version of the document that this package writes. A change that
// older readers would misunderstand takes a new number and a decoder of its own.
const Version = 2

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
	// zone is answered and transferred by us for good, signed or not.
	Published bool `json:"published"`

	KeySet      rollover.KeySet `json:"key_set"`          // keys are unique by ID and by PublicDigest
	Pool        []Spare         `json:"pool,omitempty"`   // keys that were made to be taken into KeySet
	Doomed      []string        `json:"doomed,omitempty"` // IDs of keys that are forgotten: what is left of them goes
	Generations []Generation    `json:"generations"`      // oldest first, at most MaxGenerations, of KeySet's keys
	UsedTags    []UsedTag       `json:"used_tags"`        // of all keys that ever were, revoked or not, by tag, never removed
	Salt        []byte          `json:"salt,omitempty"`   // of the NSEC3 chain; base64

	Policy         Policy    `json:"policy"`                // in force
	PolicyRevision int       `json:"policy_revision"`       // one more with each change of Policy
	PolicyAsOf     time.Time `json:"policy_as_of,omitzero"` // modification time of the configuration that set it
	PolicySets     []string  `json:"policy_sets,omitempty"` // names of the configurations of that time that have set it, the latest last

	LastSeen time.Time `json:"last_seen,omitzero"` // the latest moment at which the zone was worked on
	Claims   []Claim   `json:"claims"`             // oldest first, serials ascending (RFC 1982), at most MaxClaims
}

// Spare is a key that was made and waits to be taken into the key set.
type Spare struct {
	ID           string           `json:"id"` // in the key store
	Role         policy.Role      `json:"role"`
	Algorithm    policy.Algorithm `json:"algorithm"`
	Bits         int              `json:"bits"` // of the RSA modulus; 0 for other algorithms
	Tag          uint16           `json:"tag"`
	PublicDigest string           `json:"public_digest"` // as in rollover.Key
	Created      time.Time        `json:"created,omitzero"`
}

// UsedTag says which key had a tag. A key store that forgets a key and finds it
// again finds its tag still its own.
type UsedTag struct {
	Tag          uint16 `json:"tag"`
	PublicDigest string `json:"public_digest"` // as in rollover.Key
}

// Generation is the keys that sign the zone and the times they sign by, from a
// moment on. DNSKEY, CDS and CDNSKEY are not part of it: the key set alone says
// who signs them, at once.
type Generation struct {
	Since          time.Time `json:"since"`
	Validity       Duration  `json:"validity"`        // of signatures
	ValidityDNSKEY Duration  `json:"validity_dnskey"` // of signatures over DNSKEY, CDS and CDNSKEY
	Refresh        Duration  `json:"refresh"`         // less than this is never left of a signature
	ZSKs           []string  `json:"zsks"`            // IDs of the keys that sign: ZSKs and CSKs

	// Complete is since when a version has been served in which nothing is of an
	// older generation; zero: there is none yet.
	Complete time.Time `json:"complete,omitzero"`
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
