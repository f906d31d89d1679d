package rollover

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// Record is one of the four things that a key puts into the world.
type Record uint8

// The records of a key. A KRRSIG is a signature over the DNSKEY set, a ZRRSIG
// one over anything else; the DS is at the parent, or, without a parent, the
// trust anchor in validators.
const (
	DNSKEY Record = iota
	KRRSIG
	ZRRSIG
	DS
	records
)

var recordWords = [records]string{"DNSKEY", "KRRSIG", "ZRRSIG", "DS"}

// String returns DNSKEY, KRRSIG, ZRRSIG or DS.
func (r Record) String() string {
	if r < records {
		return recordWords[r]
	}
	return fmt.Sprintf("record %d", uint8(r))
}

// of reports whether keys of a role have this record while they are in service.
func (r Record) of(role policy.Role) bool {
	switch r {
	case DNSKEY:
		return true
	case ZRRSIG:
		return role.SignsZone()
	}
	return role.SignsDNSKEY()
}

// State says who can have a record of a key. The states go round:
//
//	           shown                 hold over
//	Hidden ------------> Rumoured -------------> Omnipresent
//	  ^                   |    ^                      |
//	  |         withdrawn |    | shown again          | withdrawn
//	  |                   v    |                      |
//	  +--------------- Unretentive <------------------+
//	     hold over
//
// What is shown and withdrawn are decisions (moves), kept by the rules; the
// holds are the intervals of RFC 7583, in timing.go.
type State uint8

// The states of a record.
const (
	Hidden      State = iota // no server and no cache has it
	Rumoured                 // it is shown; caches may still lack it
	Omnipresent              // every server and every cache has it
	Unretentive              // it is withdrawn; caches may still have it
	states
)

var stateWords = [states]string{"hidden", "rumoured", "omnipresent", "unretentive"}

// transitions are the arrows of the picture above. No code goes by this table:
// the tests hold each move and each settling against it.
var transitions = [states][]State{
	Hidden:      {Rumoured},
	Rumoured:    {Omnipresent, Unretentive},
	Omnipresent: {Unretentive},
	Unretentive: {Hidden, Rumoured},
}

// String returns the state in lower case.
func (s State) String() string {
	if s < states {
		return stateWords[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *State) UnmarshalText(text []byte) error {
	for n, w := range stateWords {
		if w == string(text) {
			*s = State(n)
			return nil
		}
	}
	return fmt.Errorf("state %q: hidden, rumoured, omnipresent and unretentive are known", text)
}

// Shown reports whether the servers of the zone, or of its parent, have the record.
func (s State) Shown() bool { return s == Rumoured || s == Omnipresent }

// Status is a record of a key: where it is, and where it is to go.
type Status struct {
	State State     `json:"state"`
	Goal  State     `json:"goal"`           // Hidden or Omnipresent
	Since time.Time `json:"since,omitzero"` // when State began; of a move that is not Pending: when a version with it was first served
	// Pending is true from the decision of a move until a version of the zone
	// that carries it has been served: the hold begins only then.
	Pending bool `json:"pending,omitempty"`
}

// Settled reports whether the record is where it is to be, for every cache.
func (s Status) Settled() bool { return s.State == s.Goal && !s.Pending }

// Statuses are the records of a key, indexed by Record.
type Statuses [records]Status

// stored is Statuses as it is written down.
type stored struct {
	DNSKEY Status `json:"dnskey"`
	KRRSIG Status `json:"krrsig"`
	ZRRSIG Status `json:"zrrsig"`
	DS     Status `json:"ds"`
}

// MarshalJSON implements json.Marshaler: an object with a member for each record.
func (s Statuses) MarshalJSON() ([]byte, error) {
	return json.Marshal(stored{s[DNSKEY], s[KRRSIG], s[ZRRSIG], s[DS]})
}

// UnmarshalJSON implements json.Unmarshaler. Members that are not known are refused.
func (s *Statuses) UnmarshalJSON(data []byte) error {
	var v stored
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	if err := in.Decode(&v); err != nil {
		return err
	}
	*s = Statuses{v.DNSKEY, v.KRRSIG, v.ZRRSIG, v.DS}
	return nil
}
