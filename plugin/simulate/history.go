package simulate

import (
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// History is what happened in a simulation. All moments are true time, also
// where the server's clock was wrong.
type History struct {
	Zone        string       `json:"zone"`
	Start       time.Time    `json:"start"`
	End         time.Time    `json:"end"`
	Anchors     bool         `json:"anchors"`     // no parent: what stands as DS is trust anchors
	Keys        []*Key       `json:"keys"`        // in the order in which they came
	Transitions []Transition `json:"transitions"` // in the order of time
	Marks       []Mark       `json:"marks"`       // events, in the order of time
	Denial      []Denial     `json:"denial"`      // how absence was proven
	Bogus       []Bogus      `json:"bogus"`       // empty: a validator was always content
	Waiting     []Waiting    `json:"waiting"`     // what had not come to rest at the end
	Steps       int          `json:"steps"`       // how often Step was called
	MostKeys    int          `json:"most_keys"`   // the largest DNSKEY set served
}

// Key is a key with its states over time.
type Key struct {
	Name      string            `json:"name"` // such as KSK 1: role, and a number in order of appearance
	ID        string            `json:"id"`
	Role      policy.Role       `json:"role"`
	Algorithm policy.Algorithm  `json:"algorithm"`
	Tag       uint16            `json:"tag"`
	Spans     map[string][]Span `json:"spans"` // by record: DNSKEY, KRRSIG, ZRRSIG, DS; hidden ones left out
}

// Span is a stretch of time that a record spent in one state.
type Span struct {
	State rollover.State `json:"state"`
	From  time.Time      `json:"from"`
	To    time.Time      `json:"to"`
}

// Transition is a record that changed its state, or a key that came or went.
type Transition struct {
	At     time.Time `json:"at"`
	Key    string    `json:"key"` // name
	Tag    uint16    `json:"tag"`
	Record string    `json:"record"` // DNSKEY, KRRSIG, ZRRSIG, DS, or key
	From   string    `json:"from"`
	To     string    `json:"to"`
	Why    string    `json:"why"`
}

// Mark is something that happened to the zone from outside.
type Mark struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Denial is a stretch of time in which absence was proven in one way. A change
// of it is one version of the zone, and resolvers may mix the proofs of both.
type Denial struct {
	Text string    `json:"text"` // as in a Corefile
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Bogus is an instant from which on some mix of what resolvers may hold does
// not validate.
type Bogus struct {
	At  time.Time `json:"at"`
	Mix string    `json:"mix"` // what was mixed, and why it fails
}

// Waiting is a record that is not where it is to be.
type Waiting struct {
	Key    string `json:"key"`
	Record string `json:"record"`
	State  string `json:"state"`
	For    string `json:"for"`
}
