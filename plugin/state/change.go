package state

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/rollover"
)

// Reasons for which a change is refused.
var (
	ErrTagUsed = errors.New("its tag was another key's (tags are unique in a zone)")
	ErrSerial  = errors.New("a serial must be after the last one (RFC 1982 section 3.2)")
)

// Last returns the newest claim.
func (d *Document) Last() (c Claim, ok bool) {
	if len(d.Claims) == 0 {
		return Claim{}, false
	}
	return d.Claims[len(d.Claims)-1], true
}

// Claim claims a serial for content, and with it marks the zone as published. If
// the newest claim is of the same digest, and its serial is not before least,
// that serial is returned and nothing is added; otherwise c is added with the
// serial in it: content that goes back to what it was takes a new one. Least is the source's serial: whoever raises that alone wants
// to see the zone under it.
func (d *Document) Claim(c Claim, least uint32) (serial uint32, added bool, err error) {
	last, ok := d.Last()
	switch {
	case !isDigest(c.Digest):
		return 0, false, fmt.Errorf("claim serial %d: digest %q", c.Serial, c.Digest)
	case ok && last.Digest == c.Digest && (least == 0 || !later(least, last.Serial)):
		return last.Serial, false, nil
	case ok && !later(c.Serial, last.Serial):
		return 0, false, fmt.Errorf("claim serial %d after %d: %w", c.Serial, last.Serial, ErrSerial)
	}
	d.Claims = append(d.Claims, c)
	if more := len(d.Claims) - MaxClaims; more > 0 {
		d.Claims = slices.Delete(d.Claims, 0, more)
	}
	d.Published = true
	return c.Serial, true, nil
}

// Key returns the key with an ID, to be read and changed in place; nil when
// there is none.
func (d *Document) Key(id string) *rollover.Key { return d.KeySet.Key(id) }

// AddKey adds a key and notes its tag.
func (d *Document) AddKey(k rollover.Key) error {
	if d.Key(k.ID) != nil {
		return fmt.Errorf("add key %s: it is there already", k.ID)
	}
	if err := d.UseTag(k.Tag, k.PublicDigest); err != nil {
		return fmt.Errorf("add key %s: tag %d: %w", k.ID, k.Tag, err)
	}
	d.KeySet.Keys = append(d.KeySet.Keys, k)
	return nil
}

// Names reports whether the document knows what a key is for: it is in the key
// set, in the pool, or about to be destroyed.
func (d *Document) Names(id string) bool {
	return d.Key(id) != nil || d.Spare(id) != nil || slices.Contains(d.Doomed, id)
}

// Spare returns the key of the pool with an ID; nil when there is none.
func (d *Document) Spare(id string) *Spare {
	if i := slices.IndexFunc(d.Pool, func(s Spare) bool { return s.ID == id }); i >= 0 {
		return &d.Pool[i]
	}
	return nil
}

// AddSpare puts a key into the pool and notes its tag.
func (d *Document) AddSpare(s Spare) error {
	if d.Names(s.ID) {
		return fmt.Errorf("add key %s: it is there already", s.ID)
	}
	if err := d.UseTag(s.Tag, s.PublicDigest); err != nil {
		return fmt.Errorf("add key %s: tag %d: %w", s.ID, s.Tag, err)
	}
	d.Pool = append(d.Pool, s)
	return nil
}

// SetKeys replaces the key set. What it takes from the pool is not there any
// more; what it has forgotten is doomed.
func (d *Document) SetKeys(s rollover.KeySet) {
	for _, k := range d.KeySet.Keys {
		if s.Key(k.ID) == nil && !slices.Contains(d.Doomed, k.ID) {
			d.Doomed = append(d.Doomed, k.ID)
		}
	}
	d.KeySet = s
	d.Pool = slices.DeleteFunc(d.Pool, func(p Spare) bool { return s.Key(p.ID) != nil })
}

// TagUsed reports whether a key with this tag is or was in the zone.
func (d *Document) TagUsed(tag uint16) bool {
	_, used := d.tagOwner(tag)
	return used
}

// tagOwner returns the digest of the key that has a tag, or had it.
func (d *Document) tagOwner(tag uint16) (publicDigest string, used bool) {
	i, found := d.findTag(tag)
	if !found {
		return "", false
	}
	return d.UsedTags[i].PublicDigest, true
}

func (d *Document) findTag(tag uint16) (i int, found bool) {
	return slices.BinarySearchFunc(d.UsedTags, tag, func(u UsedTag, t uint16) int { return cmp.Compare(u.Tag, t) })
}

// UseTag notes for ever that a key has this tag; a key has another one with the
// revoke bit (RFC 5011 section 2.1). ErrTagUsed says that another key has it, or
// had it.
func (d *Document) UseTag(tag uint16, publicDigest string) error {
	i, found := d.findTag(tag)
	switch {
	case !found:
		d.UsedTags = slices.Insert(d.UsedTags, i, UsedTag{tag, publicDigest})
	case d.UsedTags[i].PublicDigest != publicDigest:
		return ErrTagUsed
	}
	return nil
}

// AddGeneration appends a generation, unless the newest one differs from it in
// nothing but its moment. Generations that would begin later than g, or with
// it, are replaced: they were made under a clock that has been put back. Where
// MaxGenerations live already the oldest goes: what still followed it moves
// to its successor at once.
func (d *Document) AddGeneration(g Generation) (added bool) {
	if n := len(d.Generations); n > 0 && d.Generations[n-1].Same(g) {
		return false
	}
	d.Generations = slices.DeleteFunc(d.Generations, func(o Generation) bool { return !o.Since.Before(g.Since) })
	d.Generations = append(d.Generations, g)
	if more := len(d.Generations) - MaxGenerations; more > 0 {
		d.Generations = slices.Delete(d.Generations, 0, more)
	}
	return true
}

// Same reports whether two generations sign alike.
func (g Generation) Same(o Generation) bool {
	return g.Validity == o.Validity && g.ValidityDNSKEY == o.ValidityDNSKEY && g.Refresh == o.Refresh &&
		slices.Equal(g.ZSKs, o.ZSKs)
}

// Collapse makes g the only generation: everything moves to it at once. This is
// for emergencies, and for the first generation.
func (d *Document) Collapse(g Generation) { d.Generations = []Generation{g} }

// PruneGenerations drops the older of two generations once no RRset follows it
// any more, which is when the newer is as old as a whole period of the schedule
// (Dsgn of RFC 7583 section 3.2.1).
func (d *Document) PruneGenerations(now time.Time, period time.Duration) (pruned bool) {
	n := len(d.Generations)
	if n < 2 || now.Before(d.Generations[n-1].Since.Add(period)) {
		return false
	}
	d.Generations = slices.Delete(d.Generations, 0, n-1)
	return true
}

// SetPolicy notes the policy in force, and counts a change of it.
func (d *Document) SetPolicy(p Policy) (changed bool) {
	if d.Policy == p {
		return false
	}
	d.Policy = p
	d.PolicyRevision++
	return true
}

// Expose notes for the keys that signed a version, by ID, that it is about to be
// published: its longest TTL in seconds, and its latest expiration. What is noted
// only grows.
func (d *Document) Expose(maxTTL uint32, latest time.Time, keys ...string) {
	for _, id := range keys {
		k := d.Key(id)
		if k == nil {
			continue
		}
		e := &k.Exposure
		e.MaxTTL = max(e.MaxTTL, maxTTL)
		if latest.After(e.LatestExpiry) {
			e.LatestExpiry = latest
		}
	}
}

// See notes that the zone was worked on at a moment. Time does not go back.
func (d *Document) See(now time.Time) {
	if now.After(d.LastSeen) {
		d.LastSeen = now
	}
}
