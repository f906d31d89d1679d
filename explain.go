package autosign

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// Status is where a zone's keys are, what comes next, and what that waits for.
type Status struct {
	Zone, View string
	At         time.Time // of the pass that it is of
	Serial     uint32    // served; 0 while there is nothing to serve
	Insecure   bool      // the zone is served unsigned

	Policy         policy.Policy // in force
	PolicyRevision int           // one more with each change of it
	Hold           *rollover.Hold
	Frozen         string // why no key moves now; empty: they may
	Keys           []KeyStatus
	Waiting        []Waiting // rolls that have not begun
	Parent         Delegation
	Next           time.Time // when something is to happen by time alone; zero: nothing is
	Do             []string  // what an operator has to do; empty: nothing
}

// KeyStatus is a key with its records.
type KeyStatus struct {
	rollover.Key
	DNSKEYOnly bool              // it is published and not used
	Reasons    []rollover.Reason // of its records, in the order DNSKEY, KRRSIG, ZRRSIG, DS
}

// Waiting is a roll that has not begun.
type Waiting struct {
	Role policy.Role
	When time.Time // earliest; zero: that hangs on something else than time
	Why  string
}

// Delegation is what the parent is to have and what it has.
type Delegation struct {
	Kind    string     // outside, local (a zone of this server) or none
	Zone    string     // the parent's name; empty while it is not known
	Wanted  []DSStatus // that it is to have
	Remove  []DSStatus // that it is to drop
	Unknown []uint16   // tags of DS records that it has and that belong to no key of the zone
	Servers []ServerStatus
	TTL     uint32    // seconds; the longest of the DS sets seen
	At      time.Time // of the last look; zero: none yet
	Next    time.Time // of the next
}

// DSStatus is a DS record and where it is.
type DSStatus struct {
	Key    string // ID
	Tag    uint16
	Record string // in zone-file form
	Seen   int    // servers that have it
	ByHand bool   // an operator said how it is
}

// ServerStatus is what a server of the parent had.
type ServerStatus struct {
	Name string
	Keys []string // IDs of the keys whose DS it has
	Err  string   // why that is not known
}

// status explains the zone as of the last pass; ok is false before the first.
func (s *signer) status() (st Status, ok bool) {
	l := s.life.Load()
	if l == nil {
		return st, false
	}
	st = Status{Zone: s.zone, View: s.view, At: l.at, Policy: l.policy, PolicyRevision: l.doc.PolicyRevision,
		Hold: l.doc.KeySet.Clone().Hold, Frozen: l.freeze, Insecure: !l.doc.KeySet.Signed(), Next: l.plan.Wake}
	if v := s.served.Load(); v != nil {
		st.Serial = v.signed.Serial
	}
	seen := l.seen
	if s.watch.active() {
		now := s.watch.sight(l.at).seen
		seen.Next = now.Next
	}
	f := l.facts
	f.Parent = seen
	var reasons []rollover.Reason
	if zskOnly(l.doc) {
		reasons = reasonsElsewhere(&l.doc.KeySet)
	} else {
		reasons = rollover.Step(l.at, l.policy, f, l.doc.KeySet).Reasons // again, for the next look
		l.others.explain(reasons, &l.doc.KeySet)
	}
	for i := range l.doc.KeySet.Keys {
		k := l.doc.KeySet.Keys[i]
		ks := KeyStatus{Key: k, DNSKEYOnly: k.DNSKEYOnly()}
		for _, r := range reasons {
			if r.Key == k.ID {
				ks.Reasons = append(ks.Reasons, r)
			}
		}
		st.Keys = append(st.Keys, ks)
	}
	for _, r := range reasons {
		if r.Key == "" {
			st.Waiting = append(st.Waiting, Waiting{r.Role, r.When, r.Waiting})
		}
	}
	st.Parent = delegationOf(s.origin, l, seen)
	st.Do = duties(reasons, st.Parent)
	return st, true
}

// delegationOf explains what the parent is to have and what it has.
func delegationOf(origin []byte, l *life, seen rollover.Observation) Delegation {
	d := Delegation{Kind: "outside", Zone: seen.Zone, Unknown: slices.Clone(seen.Unknown), TTL: seen.TTL, At: seen.At, Next: seen.Next}
	switch {
	case l.policy.NoParent:
		d.Kind = "none"
	case l.policy.ParentLocal:
		d.Kind = "local"
	}
	for _, v := range seen.Servers {
		d.Servers = append(d.Servers, ServerStatus{v.Name, slices.Clone(v.Keys), v.Err})
	}
	w := l.others.wish(&l.doc.KeySet)
	if w.waits != "" {
		return d
	}
	all := withOthers(l.keys, l.theirs)
	note := func(list []DSStatus, k *rollover.Key) []DSStatus {
		public, known := all[k.ID]
		if !known {
			return list
		}
		return append(list, DSStatus{Key: k.ID, Tag: k.Tag, Record: dsText(origin, public), Seen: sightOf(seen, k.ID).has, ByHand: k.ByHand})
	}
	for i := range w.keys {
		d.Wanted = note(d.Wanted, &w.keys[i])
	}
	for i := range l.doc.KeySet.Keys {
		k := &l.doc.KeySet.Keys[i]
		if k.Status(rollover.DS).State == rollover.Unretentive && !w.wants(k.ID) {
			d.Remove = note(d.Remove, k)
		}
	}
	return d
}

// dsText returns a key's DS record in zone-file form.
func dsText(origin []byte, k key.Key) string {
	rd, err := k.DS(origin, key.SHA256)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s IN DS %d %d %d %X", zone.Text(origin), k.Tag, k.Algorithm, key.SHA256, rd[4:])
}

// duties returns what an operator has to do, with the records that it is about.
func duties(reasons []rollover.Reason, d Delegation) (list []string) {
	for _, r := range reasons {
		if r.Do == "" {
			continue
		}
		text := r.Do
		for _, ds := range slices.Concat(d.Wanted, d.Remove) {
			if ds.Key == r.Key && r.Record == rollover.DS && ds.Record != "" {
				text += ": " + ds.Record
			}
		}
		list = append(list, text)
	}
	return list
}

// String returns the status as text, a line for each record.
func (st Status) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	name := st.Zone
	if st.View != "" {
		name += " in view " + st.View
	}
	line("%s serial %d, at %s%s", name, st.Serial, clockText(st.At), then(", next at ", st.Next))
	if st.Hold != nil {
		line("  held since %s%s", clockText(st.Hold.Since), because(st.Hold.Why))
	}
	if st.Frozen != "" {
		line("  frozen: %s", st.Frozen)
	}
	for _, k := range st.Keys {
		line("  %s %d %s", k.Role, k.Tag, k.ID)
		for _, r := range k.Reasons {
			line("    %s", sentence(r))
		}
	}
	for _, w := range st.Waiting {
		line("  roll of the %s%s: %s", w.Role, then(" not before ", w.When), w.Why)
	}
	for _, u := range st.Parent.Unknown {
		line("  %s has DS %d of no key of the zone", st.Parent.Zone, u)
	}
	for _, do := range st.Do {
		line("  to do: %s", do)
	}
	return b.String()
}

// sentence explains a record in a line.
func sentence(r rollover.Reason) string {
	text := fmt.Sprintf("%s %s%s", r.Record, r.State, then(" since ", r.Since))
	if r.Next != r.State {
		text += ", next " + r.Next.String() + then(" at ", r.When)
	}
	if r.Waiting != "" {
		text += ", waits for " + r.Waiting
	}
	return text
}

func clockText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// then is a moment behind some words; nothing if there is none.
func then(words string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return words + clockText(t)
}
