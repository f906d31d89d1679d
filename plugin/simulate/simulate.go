// Package simulate runs the keys of a zone through years of made-up time, with
// the same rollover.Step as a server, and judges all of it with a model of the
// worst resolver caches there can be.
//
// A Setup says what is there at the start and what happens; Run gives the
// History: who was in which state when, and why, and every instant at which
// some mix of what resolvers may hold would not have validated. Equal setups
// give equal histories: chance comes from Setup.Seed alone.
//
// The model in caches.go and judge.go knows nothing of rollover's rules and
// holds. It sees only what servers hand out, as a resolver does.
package simulate

import (
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// Step is the signature of rollover.Step.
type Step func(now time.Time, p policy.Policy, f rollover.Facts, s rollover.KeySet) rollover.Plan

// Setup is a zone, the world around it, and what will happen.
type Setup struct {
	Zone   string        // its origin, for the text of a history
	Policy policy.Policy // at the start; SetPolicy changes it
	Start  time.Time     // zero: the first of January 2030
	For    time.Duration
	Seed   uint64 // of every delay that is left to chance

	ZoneTTL  uint32 // seconds; the longest TTL in the zone but for its DNSKEY set; 0: a day
	Replicas int    // processes that sign the zone over one store; 0: one
	Parent   Parent
	Events   []Event // in any order

	Step Step // nil: rollover.Step
}

// Parent is how the parent zone behaves. It is left out with parent none.
type Parent struct {
	Zone    string        // its name, with the final dot; empty: the parent of Setup.Zone
	Servers int           // 0: three
	Delay   time.Duration // the registry takes up a changed CDS, or a person's order, at a moment up to this late
	Spread  time.Duration // each server has what the registry has up to this much later
	Fixed   bool          // Delay and Spread are exact, nothing is left to chance
	Look    time.Duration // how often its servers are asked; 0: an hour
	TTL     uint32        // seconds, of its DS sets; 0: that of the policy
}

// Kind is what happens in an Event.
type Kind uint8

// The kinds of events. Those of the operator stand first.
const (
	Roll      Kind = iota + 1 // the keys of Role are to be replaced
	Emergency                 // the same, without safety margins
	Hold                      // nothing may move, until Resume
	Resume                    //
	Confirm                   // the operator says of all DS which are there and which are gone
	Rest                      // the key in service of Role is published only, For so long
	Delete                    // retirement of the key in service of Role may begin For later
	Remove                    // keys of Role of which nothing is left are removed for good
	SetPolicy                 // Policy is in force from now on
	SetTTL                    // the longest TTL in the zone is TTL from now on
	Trust                     // trust anchors are handed to validators by hand (parent none)

	Jump         // the clock is set forward by For, or back if that is negative
	Stop         // the process is down For so long; secondaries go on
	FailStore    // nothing can be stored, For so long
	FailPublish  // what is stored cannot be signed and served, For so long
	FailKeys     // no key can be made, For so long
	Idle         // the parent takes up nothing, For so long
	Blind        // the parent's servers do not answer us, For so long
	SetParentTTL // DS sets have TTL from now on
)

var kindWords = []string{
	Roll: "roll", Emergency: "emergency roll", Hold: "hold", Resume: "resume", Confirm: "confirm DS",
	Rest: "DNSKEY only", Delete: "schedule deletion", Remove: "remove", SetPolicy: "policy changes", SetTTL: "TTL changes", Trust: "trust anchors handed out",
	Jump: "clock jumps", Stop: "process is down", FailStore: "store fails", FailPublish: "publishing fails",
	FailKeys: "key store fails", Idle: "parent takes up nothing", Blind: "parent cannot be observed",
	SetParentTTL: "DS TTL changes",
}

// String says what happens.
func (k Kind) String() string {
	if int(k) < len(kindWords) {
		return kindWords[k]
	}
	return ""
}

// Event is something that happens to the zone or around it.
type Event struct {
	At       time.Duration // after Setup.Start
	Kind     Kind
	Role     policy.Role
	For      time.Duration
	TTL      uint32 // seconds
	Policy   *policy.Policy
	Text     string // of a policy change, for the history
	Override bool   // the order is insisted on, against what was seen
}
