package state

import "time"

// Last returns the newest claim.
func (d *Document) Last() (c Claim, ok bool) {
	if len(d.Claims) == 0 {
		return Claim{}, false
	}
	return d.Claims[len(d.Claims)-1], true
}

// Claimed returns the newest claim of a digest.
func (d *Document) Claimed(digest string) (c Claim, ok bool) {
	panic("soon")
}

// Claim claims a serial for content. If the newest claim is of the same digest
// its serial is returned and nothing is changed; otherwise c is added with
// the serial in it, which must be greater than the last one (RFC 1982 section 3.2).
func (d *Document) Claim(c Claim) (serial uint32, added bool, err error) { panic("soon") }

// Key returns the key with an ID, to be read or changed in place, or nil.
func (d *Document) Key(id string) *Key { panic("soon") }

// AddKey adds a key and its tag.
func (d *Document) AddKey(k Key) error { panic("soon") }

// TagUsed reports whether a key with this tag ever was in the zone.
func (d *Document) TagUsed(tag uint16) bool { panic("soon") }

// UseTag notes that a key with this tag is or was in the zone.
func (d *Document) UseTag(tag uint16) { panic("soon") }

// AddGeneration appends a generation, unless the newest is the same but for its
// moment; more reports whether it was added.
func (d *Document) AddGeneration(g Generation) (added bool) { panic("soon") }

// ReplaceGenerations makes g the only generation: everything moves at once.
func (d *Document) ReplaceGenerations(g Generation) { panic("soon") }

// PruneGenerations drops the generation that no signature follows any more:
// the older one of two, once the newer is period old.
func (d *Document) PruneGenerations(now time.Time, period time.Duration) (pruned bool) { panic("soon") }

// SetPolicy notes the policy in force and counts the revision up if it is another.
func (d *Document) SetPolicy(p Policy) (changed bool) { panic("soon") }

// Expose notes that records with this TTL and signatures that expire then are
// about to be published, made with the keys of these IDs.
func (d *Document) Expose(maxTTL uint32, expiry time.Time, keys ...string) { panic("soon") }

// See notes that the zone was worked on at a moment; time never goes back.
func (d *Document) See(now time.Time) { panic("soon") }
