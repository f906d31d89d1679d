package rollover

import (
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// Facts is what the world says. It is gathered before a Step, and a Step
// believes it.
type Facts struct {
	// Pool are keys that exist in the key store and that no state names. Step
	// never invents a key: it takes one from here, or asks for one to be made.
	Pool []Candidate

	// Served is since when a version that carries every move of the key set
	// handed in has been served; zero: it is not served yet.
	Served time.Time

	// Complete is since when everything served has been signed by the keys that
	// are to sign: no signature of before is in the zone any more. Zero:
	// signatures are still moving.
	Complete time.Time

	// Parent is the last look at the parent; zero where there is none (parent none).
	Parent Observation

	// Unsure is why what is remembered of the parent cannot be relied on, such as
	// a start after which its servers did not answer yet. Then nothing moves that
	// hangs on a DS, save what an operator has confirmed.
	Unsure string

	// Freeze is why nothing may move now, such as a clock that jumped; Until is
	// when that may be over, zero: when something changes.
	Freeze string
	Until  time.Time
}

// Candidate is a key that could be taken into service.
type Candidate struct {
	ID           string
	Role         policy.Role
	Algorithm    policy.Algorithm
	Bits         int // of the RSA modulus; 0 for other algorithms
	Tag          uint16
	PublicDigest string
	Created      time.Time
}

// Observation is what the servers of the parent had when they were last asked.
type Observation struct {
	At      time.Time // zero: they were not asked yet, or did not answer
	Zone    string    // the parent's name, with the final dot
	Servers []Server
	TTL     uint32    // seconds; the longest of the DS sets
	Unknown []uint16  // tags of DS records that belong to no key of the zone
	Next    time.Time // when they are asked again
}

// Server is what one server of the parent had.
type Server struct {
	Name string   // host name or address
	Keys []string // IDs of the keys whose DS it has
	Err  string   // why it is not known what it has; empty: it is
}

// count returns at how many servers the DS of a key is, is not, or may be.
func (o *Observation) count(id string) (has, lacks, unknown int) {
	for _, s := range o.Servers {
		switch {
		case slices.Contains(s.Keys, id):
			has++
		case s.Err != "":
			unknown++
		default:
			lacks++
		}
	}
	return has, lacks, unknown
}

// answered returns how many servers said what they have.
func (o *Observation) answered() (n int) {
	for _, s := range o.Servers {
		if s.Err == "" {
			n++
		}
	}
	return n
}

// bare reports whether every server of the parent answered that there is no DS
// at all.
func (o *Observation) bare() bool {
	return len(o.Servers) > 0 && len(o.Unknown) == 0 && !slices.ContainsFunc(o.Servers, func(s Server) bool {
		return s.Err != "" || len(s.Keys) > 0
	})
}
