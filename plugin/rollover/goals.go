package rollover

import (
	"fmt"
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// want sets the goals: keys that are to be replaced or are no longer wanted
// retire, others take their place. It reports whether anything changed.
func (st *step) want() bool {
	if st.p.Insecure {
		return st.wantNone()
	}
	changed := st.wantBack()
	if st.set.Hold != nil {
		return changed
	}
	roles, old := st.mismatch()
	changed = st.retireSpare(len(roles) == 0) || changed
	changed = st.retireStandby() || changed
	waits := len(roles) > 0 && !st.conform(roles, old)
	if len(roles) > 0 && !waits {
		return true
	}
	if changed = st.requested(waits) || changed; waits {
		return changed
	}
	for _, role := range st.p.Roles() {
		changed = st.lifetime(role) || changed
	}
	return changed
}

// wantNone leaves DNSSEC: first no DS, then, when no cache has one, nothing.
func (st *step) wantNone() (changed bool) {
	gone := st.set.Hold == nil // there is no way back from what follows
	for i := range st.set.Keys {
		k := &st.set.Keys[i]
		changed = k.setGoal(DS, Hidden) || changed
		gone = gone && k.state(DS) == Hidden
	}
	for i := range st.set.Keys {
		if k := &st.set.Keys[i]; gone && k.Retired.IsZero() {
			st.retire(k, "the zone leaves DNSSEC, and no cache has a DS any more")
			changed = true
		}
	}
	if gone && len(st.set.Requests) > 0 { // all keys are replaced when it comes back
		st.set.Requests, changed = nil, true
	}
	return changed
}

// wantBack takes back the wish to leave as far as that is possible.
func (st *step) wantBack() (changed bool) {
	for i := range st.set.Keys {
		k := &st.set.Keys[i]
		if k.Retired.IsZero() && k.Records[KRRSIG].Goal == Omnipresent {
			changed = k.setGoal(DS, Omnipresent) || changed
		}
	}
	return changed
}

func (k *Key) setGoal(r Record, goal State) bool {
	s := k.Status(r)
	if s.Goal == goal || goal == Omnipresent && !r.of(k.Role) {
		return false
	}
	s.Goal = goal
	return true
}

// conform has keys that are as the policy says take the place of those that are
// not.
func (st *step) conform(roles []policy.Role, old []string) bool {
	emergency := slices.ContainsFunc(st.set.Requests, func(q Request) bool {
		return q.Emergency && slices.ContainsFunc(old, func(id string) bool { return st.set.Key(id).Role == q.Role })
	})
	return st.roll(roles, old, emergency, "the policy")
}

// retireStandby retires keys that are published only together with the last of
// their algorithm that were in service: they are of no use, and for them every set
// would have to be signed by it for ever.
func (st *step) retireStandby() (changed bool) {
	for i := range st.set.Keys {
		k := &st.set.Keys[i]
		if k.Algorithm == st.p.Algorithm || k.Foreign || !k.Retired.IsZero() || !k.DNSKEYOnly() {
			continue
		}
		stays := st.set.has(func(o *Key) bool { return o.Algorithm == k.Algorithm && o.InService() })
		leaves := st.set.has(func(o *Key) bool { return o.Algorithm == k.Algorithm && !o.Retired.IsZero() && !o.Gone() })
		if leaves && !stays {
			st.retire(k, "its algorithm is left")
			changed = true
		}
	}
	return changed
}

// retireSpare retires keys whose scheduled time has come and that are not
// needed: published only, one of several in service, or, if the policy has all
// that it wants, one that is not as it says.
func (st *step) retireSpare(satisfied bool) (changed bool) {
	for i := range st.set.Keys {
		k := &st.set.Keys[i]
		if k.Foreign || !k.Retired.IsZero() || k.Retire.IsZero() || k.Retire.After(st.now) {
			continue
		}
		spare := !k.InService() || satisfied && !st.fits(k) || st.set.has(func(o *Key) bool {
			return o.ID != k.ID && o.Role == k.Role && o.Algorithm == k.Algorithm && o.InService() && o.Retire.IsZero()
		})
		if spare {
			st.retire(k, "its scheduled time has come")
			changed = true
		}
	}
	return changed
}

func (st *step) retire(k *Key, why string) {
	k.SetGoals(Hidden)
	k.Retired = st.now
	st.tell(k.ID, "key", "in service", "retired", why)
}

// fits reports whether a key is as the policy says for its role. A length that
// is not given does not matter.
func (st *step) fits(k *Key) bool {
	given := st.p.Bits(k.Role)
	return slices.Contains(st.p.Roles(), k.Role) && k.Algorithm == st.p.Algorithm && (given == 0 || k.Bits == given)
}

// bits returns the modulus of new keys of a role; 0 for algorithms without one.
func (st *step) bits(r policy.Role) int {
	if n := st.p.Bits(r); n != 0 {
		return n
	}
	return st.p.Algorithm.DefaultBits()
}

// mismatch returns the roles in which no key in service is as the policy says,
// and the keys that would be replaced. A zone without any is not ours to begin.
func (st *step) mismatch() (roles []policy.Role, old []string) {
	served := map[policy.Role]bool{}
	for i := range st.set.Keys {
		k := &st.set.Keys[i]
		if k.Foreign || !k.InService() {
			continue
		}
		if st.fits(k) {
			served[k.Role] = true
		} else {
			old = append(old, k.ID)
		}
	}
	for _, r := range st.p.Roles() {
		if !served[r] {
			roles = append(roles, r)
		}
	}
	if len(roles) == 0 && len(old) > 0 { // a key too many, of an earlier policy
		return nil, nil
	}
	return roles, old
}

// requested begins the rolls that operators asked for; in urgent cases only while
// the policy's own roll waits.
func (st *step) requested(urgent bool) (changed bool) {
	for _, q := range slices.Clone(st.set.Requests) {
		if !slices.Contains(st.set.Requests, q) || urgent && !st.mayPrecede(q) {
			continue // done with another, or to wait
		}
		if !slices.Contains(st.p.Roles(), q.Role) { // the policy has changed since
			st.set.Requests = slices.DeleteFunc(st.set.Requests, func(o Request) bool { return o == q })
			changed = true
			continue
		}
		why := "an operator asked for it"
		if q.Why != "" {
			why += ": " + q.Why
		}
		changed = st.roll([]policy.Role{q.Role}, st.serving(q.Role), q.Emergency, why) || changed
	}
	return changed
}

// mayPrecede reports whether a roll is so urgent that it goes before one of the
// policy. Keys that the policy replaces are left to that.
func (st *step) mayPrecede(q Request) bool {
	keys := st.serving(q.Role)
	return q.Emergency && len(keys) > 0 && !slices.ContainsFunc(keys, func(id string) bool { return !st.fits(st.set.Key(id)) })
}

// lifetime begins the roll of a role whose key is near the end of its life.
func (st *step) lifetime(role policy.Role) bool {
	for _, id := range st.serving(role) {
		k := st.set.Key(id)
		end := st.t.retirement(k)
		if end.IsZero() || !st.fits(k) {
			continue
		}
		if begin := end.Add(-st.t.lead()); begin.After(st.now) {
			st.standing = append(st.standing, standing{role, begin,
				fmt.Sprintf("%s %d to come near the end of its life at %s", role, k.Tag, moment(end))})
			continue
		}
		if st.roll([]policy.Role{role}, []string{id}, false, fmt.Sprintf("the life of %s %d ends at %s", role, k.Tag, moment(end))) {
			return true
		}
	}
	return false
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// serving returns the IDs of the keys of a role that are in service here.
func (st *step) serving(role policy.Role) (ids []string) {
	for i := range st.set.Keys {
		if k := &st.set.Keys[i]; k.Role == role && !k.Foreign && k.InService() {
			ids = append(ids, k.ID)
		}
	}
	return ids
}
