package rollover

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// Commands are what an operator may have done to a key set. Each changes goals,
// requests or what is known, never a state: whether and when something moves
// stays with Step and its rules. All are idempotent, so that one that was
// carried out without anybody being told can be given again.

// ErrUnknownKey says that a command names a key that the zone does not have.
var ErrUnknownKey = errors.New("the zone has no such key")

// Refusal is why a command is not carried out.
type Refusal struct {
	Why string // in words for an operator

	// Earliest is from when on the command would be carried out, if all goes
	// well until then; zero: that hangs on something else than time.
	Earliest time.Time

	// Override reports whether an order with Override would be carried out.
	Override bool
}

// Error implements error.
func (r *Refusal) Error() string {
	text := "refused: " + r.Why
	if !r.Earliest.IsZero() {
		text += "; not before " + r.Earliest.UTC().Format(time.RFC3339)
	}
	return text
}

// Order is what all commands have in common.
type Order struct {
	At       time.Time
	Who, Why string
	Override bool          // it is to be done against a refusal that permits that
	Policy   policy.Policy // in force
	Facts    Facts         // as far as they are known; the last look at the parent above all
}

// Entry is the record of a command that was carried out.
type Entry struct {
	At        time.Time
	Who, Why  string
	Command   string // in words, such as "roll ZSK"
	Key       string // ID of the key that it is about, if it is about one
	Overrides string // the refusal that was overridden; empty: none
	Unchanged bool   // all was as ordered already
}

func (o Order) entry(command, key string) Entry {
	return Entry{At: o.At, Who: o.Who, Why: o.Why, Command: command, Key: key}
}

// pass ends with the refusal, or with none if the order overrides it.
func (o Order) pass(e *Entry, r *Refusal) error {
	if r == nil {
		return nil
	}
	if !r.Override || !o.Override {
		return r
	}
	e.Overrides = r.Why
	return nil
}

// Roll asks for the keys of a role to be replaced. A roll of the role that is
// under way is finished first. In an emergency signatures move at once, and
// safety margins are left out.
func (s *KeySet) Roll(o Order, role policy.Role, emergency bool) (Entry, error) {
	command := "roll " + role.String()
	if emergency {
		command = "emergency " + command
	}
	e := o.entry(command, "")
	if err := s.canRoll(o, role); err != nil {
		return e, err
	}
	same := func(r Request) bool { return r.Role == role }
	begun := func(k *Key) bool { return k.Role == role && s.replacedSince(k, o.At) }
	switch at := slices.IndexFunc(s.Requests, same); {
	case at >= 0 && emergency && !s.Requests[at].Emergency:
		s.Requests[at].Emergency = true
		s.Requests[at].Why = o.Why
	case at >= 0 || s.has(begun):
		e.Unchanged = true
	default:
		s.Requests = append(s.Requests, Request{Role: role, Emergency: emergency, At: o.At, Why: o.Why})
	}
	return e, nil
}

// replacedSince reports whether a key took the place of another at a moment or
// after it.
func (s *KeySet) replacedSince(k *Key, at time.Time) bool {
	return slices.ContainsFunc(k.Predecessors, func(id string) bool {
		old := s.Key(id)
		return old != nil && !old.Retired.IsZero() && !old.Retired.Before(at)
	})
}

// elsewhere is why keys of a zone whose KSK is off-line do not move here.
const elsewhere = "the private key of the KSK is elsewhere: whoever has it says which keys are in the DNSKEY set"

// signedElsewhere reports whether no key here signs the DNSKEY set.
func (s *KeySet) signedElsewhere() bool {
	any := false
	for i := range s.Keys {
		k := &s.Keys[i]
		if any = any || !k.Gone(); !k.Gone() && !k.Foreign && k.Role.SignsDNSKEY() {
			return false
		}
	}
	return any
}

// canRoll reports why keys of a role are not replaced.
func (s *KeySet) canRoll(o Order, role policy.Role) error {
	refuse := func(format string, args ...any) error { return &Refusal{Why: fmt.Sprintf(format, args...)} }
	if o.Policy.Insecure {
		return refuse("the zone is on its way out of DNSSEC, or has left it")
	}
	if !slices.Contains(o.Policy.Roles(), role) {
		return refuse("the zone has no %s: under scheme %s its keys are %v", role, o.Policy.Scheme, o.Policy.Roles())
	}
	any := s.has(func(k *Key) bool { return k.Role == role && !k.Gone() })
	switch {
	case s.signedElsewhere():
		return refuse(elsewhere)
	case !any:
		return refuse("the zone has no %s yet: its first one is still to be made", role)
	case !s.has(func(k *Key) bool { return k.Role == role && !k.Gone() && !k.Foreign }):
		return refuse("the private key of the %s is elsewhere: its successor is made there", role)
	}
	return nil
}

// HoldAll has nothing move until Resume. Signatures are kept fresh.
func (s *KeySet) HoldAll(o Order) (Entry, error) {
	e := o.entry("hold", "")
	switch {
	case s.Hold != nil:
		e.Unchanged = true
		return e, nil
	case s.signedElsewhere():
		return e, &Refusal{Why: elsewhere}
	}
	s.Hold = &Hold{Since: o.At, Why: o.Why}
	return e, nil
}

// Resume ends HoldAll.
func (s *KeySet) Resume(o Order) (Entry, error) {
	e := o.entry("resume", "")
	e.Unchanged = s.Hold == nil
	s.Hold = nil
	return e, nil
}

// ConfirmDS takes an operator's word for it that every server of the parent has
// the DS of a key, or that none has it any more; without a parent, the same of
// validators and their trust anchors. The last look at the parent has to agree as
// far as it goes.
func (s *KeySet) ConfirmDS(o Order, id string, gone bool) (Entry, error) {
	e := o.entry("confirm DS seen", id)
	if gone {
		e.Command = "confirm DS gone"
	}
	k := s.Key(id)
	if k == nil {
		return e, fmt.Errorf("key %s: %w", id, ErrUnknownKey)
	}
	if !k.Role.SignsDNSKEY() {
		return e, &Refusal{Why: fmt.Sprintf("a %s has no DS", k.Role)}
	}
	if k.confirmed(gone) {
		e.Unchanged = true
		return e, nil
	}
	refusal := s.unexpectedDS(o, k, gone)
	if refusal == nil {
		refusal = contradicts(id, gone, o.Facts.Parent)
	}
	if err := o.pass(&e, refusal); err != nil {
		return e, err
	}
	known := &k.DSSeen
	if gone {
		known, k.DSSeen = &k.DSGone, time.Time{}
	} else {
		k.DSGone = time.Time{}
	}
	if known.IsZero() { // otherwise it was seen before, and that counts
		*known = o.At
	}
	k.ByHand, k.Insisted = true, e.Overrides != ""
	return e, nil
}

// confirmed reports whether a word on a DS would add nothing: it is so for good, or
// it was said already. What was only seen may need it, if the parent falls silent.
func (k *Key) confirmed(gone bool) bool {
	if gone {
		return k.state(DS) == Hidden || !k.DSGone.IsZero() && k.ByHand
	}
	return k.state(DS) == Omnipresent && !k.DSSeen.IsZero() || k.state(DS) == Rumoured && !k.DSSeen.IsZero() && k.ByHand
}

// unexpectedDS reports why what is said of a DS cannot be meant so.
func (s *KeySet) unexpectedDS(o Order, k *Key, gone bool) *Refusal {
	shown := k.state(DS).Shown()
	switch {
	case gone && shown:
		return &Refusal{Why: "the parent is to have this DS: nobody asked for it to be withdrawn"}
	case gone || shown:
		return nil
	case k.Records[DS].Goal == Omnipresent:
		r := &Refusal{Why: "the parent is not to have this DS yet: " +
			"the zone still waits for the key to be in every cache"}
		if st := k.Records[DNSKEY]; st.State == Rumoured && !st.Pending {
			r.Earliest = newTiming(o.At, &o.Policy, s).shown(k, DNSKEY, &o.Facts)
		}
		return r
	}
	return &Refusal{Why: "the parent is not to have this DS"}
}

// contradicts reports how the last look at the parent speaks against the word
// of an operator. Servers that did not answer say nothing.
func contradicts(id string, gone bool, seen Observation) *Refusal {
	var having, lacking []string
	for _, v := range seen.Servers {
		switch {
		case v.Err != "":
		case slices.Contains(v.Keys, id):
			having = append(having, v.Name)
		default:
			lacking = append(lacking, v.Name)
		}
	}
	against, what := lacking, "do not have it"
	if gone {
		against, what = having, "have it"
	}
	if len(against) == 0 {
		return nil
	}
	return &Refusal{Override: true, Why: fmt.Sprintf("%d of %d servers of %s %s, seen at %s: %v",
		len(against), len(seen.Servers), seen.Zone, what, seen.At.UTC().Format(time.RFC3339), against)}
}
