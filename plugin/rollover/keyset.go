package rollover

import (
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// Key is a key of the zone with all that is remembered of it. Moments are zero
// when unset.
type Key struct {
	ID           string           `json:"id"`                // in the key store
	Role         policy.Role      `json:"role"`              // KSK, ZSK or CSK
	Algorithm    policy.Algorithm `json:"algorithm"`         // number, as in a DNSKEY record (RFC 4034 section 2.1.3)
	Bits         int              `json:"bits"`              // of the RSA modulus; 0 for other algorithms
	Tag          uint16           `json:"tag"`               // RFC 4034 appendix B; of the key without the revoke bit
	PublicDigest string           `json:"public_digest"`     // SHA-256 of the DNSKEY RDATA without the revoke bit, hex
	Foreign      bool             `json:"foreign,omitempty"` // the private part is elsewhere: it is published, it signs nothing here

	Created time.Time `json:"created,omitzero"` // when it was made
	Active  time.Time `json:"active,omitzero"`  // when it came into service: its lifetime runs from then
	Retire  time.Time `json:"retire,omitzero"`  // retirement may begin then, by an operator's schedule; removal waits for the rules
	Retired time.Time `json:"retired,omitzero"` // when its retirement began: all goals are Hidden
	Removed time.Time `json:"removed,omitzero"` // when the last of its records was hidden: purge_keys runs from then
	Revoked time.Time `json:"revoked,omitzero"` // the revoke bit is set since then (RFC 5011 section 2.1)

	// Emergency leaves the safety margins out of the holds of the key's records.
	Emergency bool `json:"emergency,omitempty"`

	Predecessors []string `json:"predecessors,omitempty"` // IDs of the keys that it replaces

	Records Statuses `json:"records"`

	// DSSeen is since when every server of the parent has the DS, DSGone since
	// when none has it. At most one is set. ByHand says that an operator said so.
	DSSeen time.Time `json:"ds_seen,omitzero"`
	DSGone time.Time `json:"ds_gone,omitzero"`
	ByHand bool      `json:"by_hand,omitempty"`
	// Insisted says that an operator said so against what was seen: it counts
	// until the servers agree.
	Insisted bool `json:"insisted,omitempty"`

	Exposure Exposure `json:"exposure,omitzero"` // of what it signed
}

// Exposure is the most that was ever published under a key, also of records
// since deleted. It only grows.
type Exposure struct {
	MaxTTL       uint32    `json:"max_ttl"` // seconds
	LatestExpiry time.Time `json:"latest_expiry,omitzero"`
}

// SetGoals gives the key's records the goals of its role, in service, or Hidden.
func (k *Key) SetGoals(goal State) {
	for r := range records {
		k.Records[r].Goal = Hidden
		if goal == Omnipresent && r.of(k.Role) {
			k.Records[r].Goal = Omnipresent
		}
	}
}

// Status returns a record of the key, to be read and changed in place.
func (k *Key) Status(r Record) *Status { return &k.Records[r] }

// state returns the state of a record.
func (k *Key) state(r Record) State { return k.Records[r].State }

// InService reports whether the key is to do all that its role says.
func (k *Key) InService() bool {
	for r := range records {
		if r.of(k.Role) && k.Records[r].Goal != Omnipresent {
			return false
		}
	}
	return true
}

// Gone reports whether nothing of the key is left, and nothing is to come.
func (k *Key) Gone() bool {
	for _, s := range k.Records {
		if s.State != Hidden || s.Goal != Hidden || s.Pending {
			return false
		}
	}
	return true
}

// Longest is the longest TTL under which something can be in a cache. A TTL
// that was lowered counts until the last cache that took the old one has
// dropped it.
type Longest struct {
	TTL   uint32    `json:"ttl"`            // seconds, of what is served
	Most  uint32    `json:"most"`           // seconds, not less than TTL
	Until time.Time `json:"until,omitzero"` // no cache has anything taken under Most after that
	// Less is the most of what was served since under a shorter TTL than Most.
	Less      uint32    `json:"less,omitempty"`
	LessUntil time.Time `json:"less_until,omitzero"`
}

// Serve takes in that from now on something is served with a TTL; up to now it
// was with the one before. Said twice it changes nothing.
func (l *Longest) Serve(now time.Time, ttl uint32) {
	l.note(now, l.TTL)
	l.TTL = ttl
	l.note(now, ttl)
}

// remembered is how long a TTL is remembered after no cache has anything taken
// under it any more: At is asked of moments before now, for servers that lag
// and for safeties.
const remembered = 30 * 24 * time.Hour

func (l *Longest) note(now time.Time, ttl uint32) {
	until := now.Add(time.Duration(ttl) * time.Second)
	if l.Less > 0 && now.After(l.Until.Add(remembered)) {
		l.Most, l.Until, l.Less, l.LessUntil = l.Less, l.LessUntil, 0, time.Time{}
	}
	switch {
	case ttl >= l.Most:
		l.Most = ttl
		l.Until = later(l.Until, until)
	case now.After(l.Until.Add(remembered)):
		l.Most, l.Until = ttl, until
	default:
		l.Less = max(l.Less, ttl)
		l.LessUntil = later(l.LessUntil, until)
	}
}

// At returns the longest TTL that counts at a moment.
func (l Longest) At(now time.Time) time.Duration {
	ttl := l.TTL
	if !now.After(l.LessUntil) {
		ttl = max(ttl, l.Less)
	}
	if !now.After(l.Until) {
		ttl = max(ttl, l.Most)
	}
	return time.Duration(ttl) * time.Second
}

// later returns the later of two moments.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Request is a roll that an operator asked for and that has not begun.
type Request struct {
	Role      policy.Role `json:"role"`                // of the keys to be replaced
	Emergency bool        `json:"emergency,omitempty"` // signatures move at once, safety margins are left out
	At        time.Time   `json:"at"`
	Why       string      `json:"why,omitempty"`
}

// Hold is an operator's order that nothing moves.
type Hold struct {
	Since time.Time `json:"since"`
	Why   string    `json:"why,omitempty"`
}

// KeySet is the keys of a zone and what is under way among them. It is stored
// as it is (plugin/state).
type KeySet struct {
	Keys     []Key     `json:"keys"`
	Requests []Request `json:"requests,omitempty"`
	Hold     *Hold     `json:"hold,omitempty"`

	// Urgent has signatures move at once with the next generation: an emergency,
	// a first signing. The driver clears it when it has made that generation.
	Urgent bool `json:"urgent,omitempty"`

	DNSKEYTTL Longest `json:"dnskey_ttl"` // of DNSKEY sets served
	ZoneTTL   Longest `json:"zone_ttl"`   // of everything else in the zone
	DSTTL     Longest `json:"ds_ttl"`     // of DS sets seen at the parent

	StrangeDS Strange `json:"strange_ds,omitzero"` // of DS records at the parent that belong to no key here
}

// Key returns the key with an ID, to be read and changed in place; nil when
// there is none.
func (s *KeySet) Key(id string) *Key {
	for i := range s.Keys {
		if s.Keys[i].ID == id {
			return &s.Keys[i]
		}
	}
	return nil
}

// has reports whether there is a key for which f holds.
func (s *KeySet) has(f func(*Key) bool) bool {
	for i := range s.Keys {
		if f(&s.Keys[i]) {
			return true
		}
	}
	return false
}

// Clone returns a copy that shares nothing that a change would touch.
func (s KeySet) Clone() KeySet {
	s.Keys = slices.Clone(s.Keys)
	s.Requests = slices.Clone(s.Requests)
	if s.Hold != nil {
		h := *s.Hold
		s.Hold = &h
	}
	return s
}

// Jumped takes in that the clock jumped ahead by so much and is believed now:
// time that did not pass is no hold, so what holds run from jumps with it.
// Lifetimes go by the new time.
func (s *KeySet) Jumped(now time.Time, by time.Duration) {
	shift := func(list ...*time.Time) {
		for _, t := range list {
			if t.IsZero() {
				continue
			}
			if *t = t.Add(by); t.After(now) {
				*t = now
			}
		}
	}
	for i := range s.Keys {
		k := &s.Keys[i]
		for r := range records {
			if st := &k.Records[r]; st.State == Rumoured || st.State == Unretentive {
				shift(&st.Since)
			}
		}
		shift(&k.DSSeen, &k.DSGone, &k.Revoked)
	}
	shift(&s.StrangeDS.Gone)
	for _, l := range []*Longest{&s.DNSKEYTTL, &s.ZoneTTL, &s.DSTTL} {
		for _, t := range []*time.Time{&l.Until, &l.LessUntil} {
			if !t.IsZero() {
				*t = t.Add(by)
			}
		}
	}
}

// shown returns the IDs of keys of which the servers have a record.
func (s *KeySet) shown(r Record) (ids []string) {
	for i := range s.Keys {
		if s.Keys[i].state(r).Shown() {
			ids = append(ids, s.Keys[i].ID)
		}
	}
	return ids
}

// Published returns the IDs of the keys that are in the DNSKEY set.
func (s *KeySet) Published() []string { return s.shown(DNSKEY) }

// DNSKEYSigners returns the IDs of the keys that sign DNSKEY, CDS and CDNSKEY.
func (s *KeySet) DNSKEYSigners() []string { return s.shown(KRRSIG) }

// ZoneSigners returns the IDs of the keys that sign everything else in what is
// signed from now on. What was signed before moves by the schedule.
func (s *KeySet) ZoneSigners() []string { return s.shown(ZRRSIG) }

// Delegated returns the IDs of the keys whose DS the parent is to have: the
// content of CDS and CDNSKEY.
func (s *KeySet) Delegated() []string { return s.shown(DS) }

// Withdrawn reports whether the parent is asked to have no DS at all (RFC 8078
// section 4): no DS is wanted, and some may still be there.
func (s *KeySet) Withdrawn() bool {
	return len(s.Delegated()) == 0 && s.has(func(k *Key) bool { return k.state(DS) == Unretentive })
}

// Signed reports whether the zone is to be served signed.
func (s *KeySet) Signed() bool { return len(s.Published()) > 0 || len(s.ZoneSigners()) > 0 }

// Pending reports whether a move has been decided and not been seen served.
func (s *KeySet) Pending() bool {
	return s.has(func(k *Key) bool {
		return slices.ContainsFunc(k.Records[:], func(s Status) bool { return s.Pending })
	})
}
