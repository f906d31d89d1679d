package rollover

import (
	"fmt"
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// maxKeys bounds the keys that are in a zone at a time (P14: validators give up
// on more): two of each role in two algorithms, and a standby.
const maxKeys = 9

// roll takes a new key for each role into service, and retires the old ones. It
// does neither while a roll of the same kind is under way, or a key is missing.
// Who asked for keys of these roles to be replaced, has that then.
func (st *step) roll(roles []policy.Role, old []string, emergency bool, why string) bool {
	wait := func(text string) bool {
		st.standing = append(st.standing, standing{roles[0], time.Time{}, text + " (" + why + ")"})
		return false
	}
	if emergency && st.f.Complete.IsZero() && slices.ContainsFunc(roles, policy.Role.SignsZone) {
		st.set.Urgent = true // what still moves is to move at once
	}
	if len(old) > 0 && !emergency && !st.unserved(roles) {
		for _, r := range roles {
			if busy := st.busy(r); busy != "" {
				return wait("the roll under way: " + busy)
			}
		}
	}
	if st.inZone()+len(roles) > maxKeys {
		return wait(fmt.Sprintf("fewer than %d keys in the zone", maxKeys))
	}
	var fresh []*Candidate
	for _, r := range roles {
		if c := st.candidate(r); c != nil {
			fresh = append(fresh, c)
		} else if !slices.ContainsFunc(st.plan.Make, func(k Wanted) bool { return k.Role == r }) {
			st.plan.Make = append(st.plan.Make, Wanted{r, st.p.Algorithm, st.bits(r)})
		}
	}
	if len(fresh) < len(roles) {
		return wait("a key to be made")
	}
	replaced := slices.Clone(roles)
	for _, id := range old {
		k := st.set.Key(id)
		k.Emergency = emergency
		replaced = append(replaced, k.Role)
		st.retire(k, why)
	}
	st.set.Requests = slices.DeleteFunc(st.set.Requests, func(q Request) bool { return slices.Contains(replaced, q.Role) })
	for _, c := range fresh {
		st.employ(c, old, emergency, why)
	}
	return true
}

// employ takes a candidate into service.
func (st *step) employ(c *Candidate, old []string, emergency bool, why string) {
	k := st.set.Key(c.ID)
	from := "published only"
	if k == nil {
		st.set.Keys = append(st.set.Keys, Key{ID: c.ID, Role: c.Role, Algorithm: c.Algorithm, Bits: c.Bits, Tag: c.Tag,
			PublicDigest: c.PublicDigest, Created: c.Created})
		k, from = &st.set.Keys[len(st.set.Keys)-1], ""
	}
	k.SetGoals(Omnipresent)
	k.Retire = time.Time{}
	k.Emergency = emergency
	for _, id := range old {
		if o := st.set.Key(id); shareDuty(o.Role, k.Role) && !slices.Contains(k.Predecessors, id) {
			k.Predecessors = append(slices.Clip(k.Predecessors), id) // Clone shares them
		}
	}
	st.tell(k.ID, "key", from, "in service", why)
}

func shareDuty(a, b policy.Role) bool {
	return a.SignsDNSKEY() && b.SignsDNSKEY() || a.SignsZone() && b.SignsZone()
}

// candidate returns a key that could take a role: one that is published only
// and known to all caches, or one of the pool that is not in the set.
func (st *step) candidate(role policy.Role) *Candidate {
	for i := range st.set.Keys {
		k := &st.set.Keys[i]
		if k.Role == role && st.fits(k) && !k.Foreign && k.standby() {
			return &Candidate{ID: k.ID}
		}
	}
	for i := range st.f.Pool {
		c := &st.f.Pool[i]
		if c.Role == role && c.Algorithm == st.p.Algorithm && c.Bits == st.bits(role) && st.set.Key(c.ID) == nil {
			return c
		}
	}
	return nil
}

// standby reports whether a key is published, known to all caches, and was never
// used: who rolls wants another key than those of before. One that was revoked
// is never used again (RFC 5011 section 2.1).
func (k *Key) standby() bool {
	if !k.Active.IsZero() || !k.Revoked.IsZero() {
		return false
	}
	unused := k.state(KRRSIG) == Hidden && k.state(ZRRSIG) == Hidden && k.state(DS) == Hidden
	return unused && k.DNSKEYOnly() && k.Retired.IsZero() && k.state(DNSKEY) == Omnipresent
}

// busy says which record of a key that shares a duty with a role is on its way;
// empty: none is.
func (st *step) busy(role policy.Role) string {
	for i := range st.set.Keys {
		k := &st.set.Keys[i]
		if !shareDuty(k.Role, role) || k.Foreign {
			continue
		}
		for r := range records {
			if r == ZRRSIG && !role.SignsZone() || (r == DS || r == KRRSIG) && !role.SignsDNSKEY() || k.Records[r].Settled() {
				continue
			}
			if r == DS && k.Records[DS].Goal == Omnipresent && k.state(DS) == Rumoured && st.f.Parent.bare() {
				continue // nobody has put a DS there; whose that will be does not matter
			}
			return fmt.Sprintf("%s of %s %d is %s", r, k.Role, k.Tag, k.state(r))
		}
	}
	return ""
}

// unserved reports whether nothing in service does what one of the roles is for:
// what goes out of use waits for this roll then, not the other way round.
func (st *step) unserved(roles []policy.Role) bool {
	return slices.ContainsFunc(roles, func(r policy.Role) bool {
		return !st.set.has(func(k *Key) bool { return k.InService() && shareDuty(k.Role, r) })
	})
}

// inZone counts the keys of which a record is somewhere, or to come.
func (st *step) inZone() (n int) {
	for i := range st.set.Keys {
		if !st.set.Keys[i].Gone() {
			n++
		}
	}
	return n
}
