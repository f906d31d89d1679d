package sign

import (
	"cmp"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// The schedule gives every RRset fixed moments at which it is signed. With
//
//	V  validity       R  refresh: what is always left of a signature
//	w  slot width     P  period, V-R in whole slots
//
// time is cut into slots of w, shifted by a hash of the zone's name, so that
// thousands of zones do not publish at the same moment. An RRset has a phase, a
// hash of zone, owner and type, in whole slots below P; it is signed in the slots
// whose start s is congruent to the phase modulo P, and lives from s to s+V. The
// last such s is never more than P <= V-R ago, so more than R is always left.
//
// The key is not in the phase: a new key's signature would be due at another
// moment than the old one's, and a key roll would make more than one signature
// an RRset.

// backdate is how far inception is put before s: the clocks of validators may
// be behind (RFC 6781 section 4.4.2 speaks of it).
const backdate = 3600

// cadence is the schedule of one validity, in seconds.
type cadence struct {
	validity, width, period, shift int64
}

func newCadence(origin []byte, validity, refresh time.Duration) cadence {
	c := cadence{
		validity: seconds(validity),
		width:    seconds(policy.SlotWidth(validity, refresh)),
		period:   seconds(policy.Period(validity, refresh)),
	}
	c.shift = int64(mix(hashOctets(hashSeed, origin)) % uint64(c.width))
	return c
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// last returns the last moment not after now at which an RRset is signed.
func (c cadence) last(hash uint64, now int64) int64 {
	phase := int64(hash%uint64(c.period/c.width))*c.width + c.shift
	return phase + floorDiv(now-phase, c.period)*c.period
}

// floorDiv rounds down, also below zero.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Slot returns the start of the slot that now is in. All moments of the
// schedule are slot starts.
func Slot(origin []byte, validity, refresh time.Duration, now time.Time) time.Time {
	c := newCadence(origin, validity, refresh)
	return time.Unix(c.shift+floorDiv(now.Unix()-c.shift, c.width)*c.width, 0).UTC()
}

// generation is a Generation made ready.
type generation struct {
	since        int64
	zone, dnskey cadence
	signers      []uint16 // of the zone
}

func (g *generation) cadence(apexKey bool) *cadence {
	if apexKey {
		return &g.dnskey
	}
	return &g.zone
}

// keyType reports whether a type is signed by the keys that sign DNSKEY (RFC
// 7344 section 4.1).
func keyType(typ uint16) bool {
	return typ == zone.TypeDNSKEY || typ == zone.TypeCDS || typ == zone.TypeCDNSKEY
}

// want says what signatures an RRset has to have: all by the generation's keys,
// all made at one moment.
type want struct {
	at   int64 // s
	gen  uint8 // in schedule.gens
	keys uint8 // how many sign; 0: it is not signed
}

// schedule is the moment of a pass, seen by its generations.
type schedule struct {
	now   int64
	seed  uint64       // hash of the origin
	gens  []generation // one or two, the older first
	apexs []uint16     // the keys that sign DNSKEY
	syncs []uint16     // the keys that sign CDS and CDNSKEY
}

// nameHash is the part of an RRset's hash that its owner gives.
func (s *schedule) nameHash(key []byte) uint64 { return hashOctets(s.seed, key) }

// place returns what an RRset has to have, and when it has to have something
// else: the earliest of its next moment and its move to a newer generation. It
// belongs to the newest generation that had begun at its last moment there;
// DNSKEY, CDS and CDNSKEY always to the newest. In an unsigned zone that is
// nothing, ever.
func (s *schedule) place(name uint64, typ uint16) (w want, due int64) {
	hash := mix(name ^ uint64(typ)*0x9e3779b97f4a7c15)
	apexKey := keyType(typ)
	for n := len(s.gens) - 1; n >= 0; n-- {
		g := &s.gens[n]
		c := g.cadence(apexKey)
		at := c.last(hash, s.now)
		next := at + c.period
		if n == 0 || apexKey || at >= g.since {
			signers := s.signers(uint8(n), typ)
			w = want{at: at, gen: uint8(n), keys: uint8(len(signers))}
			return w, earlier(due, next)
		}
		if next < g.since { // it begins later still
			next = c.last(hash, g.since-1) + c.period
		}
		due = earlier(due, next)
	}
	return want{}, zone.Never
}

// signers returns the keys that sign an RRset of a generation.
func (s *schedule) signers(gen uint8, typ uint16) []uint16 {
	switch {
	case typ == zone.TypeDNSKEY:
		return s.apexs
	case keyType(typ) || len(s.gens) == 0:
		return s.syncs
	}
	return s.gens[gen].signers
}

// validity returns how long signatures over a type live in a generation.
func (s *schedule) validity(gen uint8, typ uint16) int64 {
	return s.gens[gen].cadence(keyType(typ)).validity
}

// earlier returns the lesser of two moments, where 0 is none.
func earlier(a, b int64) int64 {
	if a == 0 || b == 0 {
		return cmp.Or(a, b)
	}
	return min(a, b)
}

const hashSeed = 14695981039346656037

// hashOctets is FNV-1a: the schedule must be the same on every machine and in
// every release, and nothing hangs on it but evenness.
func hashOctets(h uint64, b []byte) uint64 {
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// mix spreads the bits of h (the finalizer of SplitMix64).
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
