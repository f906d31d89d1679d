package autosign

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
)

// revoked reports whether a key file says that the key revokes itself (RFC 5011
// section 2.1): it signs the DNSKEY set, but nobody trusts the set for that.
func revoked(k key.Key) bool { return k.Flags&key.FlagRevoke != 0 }

// trusted returns the keys that are not revoked.
func trusted(keys []rollover.Key) []rollover.Key {
	return slices.DeleteFunc(slices.Clone(keys), func(k rollover.Key) bool { return !k.Revoked.IsZero() })
}

// adopted is what becomes of key files that were found.
type adopted struct {
	keys   []rollover.Key
	spares []state.Spare // keys of which nothing was shown yet
	meant  []policy.Role // of keys whose metadata say that they sign at some time
}

// moments are the times of a key, as its metadata tells them.
type moments struct{ publish, activate, inactive, remove time.Time }

// newKey is what the state keeps of a key of which nothing is shown.
func newKey(e keystore.Entry) rollover.Key {
	public := plain(e.Key)
	k := rollover.Key{
		ID:           e.ID,
		Role:         e.Key.Role,
		Algorithm:    e.Key.Algorithm,
		Tag:          public.Tag,
		PublicDigest: public.PublicDigest(),
		Created:      e.Timing.Created,
	}
	if k.Algorithm.RSA() {
		k.Bits = public.Bits()
	}
	return k
}

// show has every record of a key but its DS, as far as it is a goal, be in a
// state; what is not yet known to every cache waits to be served.
func show(k *rollover.Key, to rollover.State, now time.Time) {
	for r := rollover.DNSKEY; r < rollover.DS; r++ {
		if s := k.Status(r); s.Goal == rollover.Omnipresent {
			s.State, s.Since, s.Pending = to, now, to == rollover.Rumoured
		}
	}
	k.Active = now
}

// used reports whether a key signs what its role says.
func used(k *rollover.Key) bool {
	return (!k.Role.SignsDNSKEY() || k.Status(rollover.KRRSIG).State.Shown()) &&
		(!k.Role.SignsZone() || k.Status(rollover.ZRRSIG).State.Shown())
}

// adopt turns key files that were found into keys of the state. They take the
// states of their .state file or what their timing lines tell; without them a KSK
// whose DS the parent holds is in service, any other is only published, as far as
// something signs.
func (s *signer) adopt(usable []keystore.Entry, said delegation, now time.Time) (found adopted) {
	var bare []int // of found.keys: without any metadata
	for _, e := range usable {
		k := newKey(e)
		t := moments{e.Timing.Publish, e.Timing.Activate, e.Timing.Inactive, e.Timing.Delete}
		known := true
		switch {
		case e.State != nil:
			known = fromState(&k, e.State, now)
		case e.HasTiming && t != moments{}:
			if !e.Timing.Revoke.IsZero() && !revoked(e.Key) {
				// The flag would make another key of it, with another tag and file
				// name, and that is for dnssec-revoke to do.
				t.inactive = sooner(t.inactive, e.Timing.Revoke)
			}
			known = fromTiming(&k, t, s.policy, now)
		default:
			bare = append(bare, len(found.keys))
			*k.Status(rollover.DNSKEY) = rollover.Status{State: rollover.Rumoured, Goal: rollover.Omnipresent, Since: now, Pending: true}
		}
		if !revoked(e.Key) && (e.State != nil || !t.activate.IsZero()) {
			found.meant = append(found.meant, k.Role)
		}
		if !known {
			found.spares = append(found.spares, state.Spare{ID: k.ID, Role: k.Role, Algorithm: k.Algorithm, Bits: k.Bits, Tag: k.Tag,
				PublicDigest: k.PublicDigest, Created: k.Created})
			continue
		}
		if revoked(e.Key) {
			revoke(&k, now)
		}
		s.delegate(&k, e, said, now)
		found.keys = append(found.keys, k)
	}
	for _, n := range bare {
		if k := &found.keys[n]; k.Status(rollover.DS).State == rollover.Omnipresent {
			k.SetGoals(rollover.Omnipresent)
			show(k, rollover.Omnipresent, now)
		}
	}
	useRest(found.keys, bare, policy.Role.SignsDNSKEY, len(said.ds) == 0, now)
	useRest(found.keys, bare, policy.Role.SignsZone, false, now)
	return found
}

// delegate gives a key that was found the state of its DS. In the doubt there
// may be one.
func (s *signer) delegate(k *rollover.Key, e keystore.Entry, said delegation, now time.Time) {
	if !k.Role.SignsDNSKEY() || !k.Revoked.IsZero() {
		return
	}
	ds := k.Status(rollover.DS)
	switch {
	case said.has(plain(e.Key), s.origin), s.policy.NoParent && used(k):
		ds.State, ds.Since, k.DSSeen, k.DSGone = rollover.Omnipresent, now, now, time.Time{}
	case ds.State == rollover.Hidden && ds.Goal == rollover.Omnipresent && said.err != nil:
		ds.State, ds.Since = rollover.Rumoured, now
	case ds.State == rollover.Omnipresent && said.err == nil && !s.policy.NoParent:
		ds.State, ds.Since = rollover.Rumoured, now // the parent has it no more, or not yet
		k.DSSeen = time.Time{}
	}
}

// revoke has a key that revokes itself sign the DNSKEY set on its way out.
func revoke(k *rollover.Key, now time.Time) {
	k.Revoked, k.Retired, k.Retire = now, now, time.Time{}
	k.SetGoals(rollover.Hidden)
	for _, r := range []rollover.Record{rollover.DNSKEY, rollover.KRRSIG} {
		*k.Status(r) = rollover.Status{State: rollover.Omnipresent, Since: now}
	}
	*k.Status(rollover.ZRRSIG) = rollover.Status{}
	*k.Status(rollover.DS) = rollover.Status{State: rollover.Unretentive, Since: now}
}

// useRest takes keys without metadata into service where otherwise nothing of
// their role would sign: the newest, or all of them.
func useRest(list []rollover.Key, bare []int, has func(policy.Role) bool, all bool, now time.Time) {
	var idle []int
	for n := range list {
		k := &list[n]
		if !has(k.Role) || !k.Revoked.IsZero() {
			continue
		}
		if used(k) {
			return
		}
		if slices.Contains(bare, n) {
			idle = append(idle, n)
		}
	}
	slices.SortFunc(idle, func(a, b int) int {
		return cmp.Or(list[b].Created.Compare(list[a].Created), cmp.Compare(list[a].ID, list[b].ID))
	})
	for i, n := range idle {
		if i == 0 || all {
			list[n].SetGoals(rollover.Omnipresent)
			show(&list[n], rollover.Rumoured, now)
		}
	}
}

// lookBack is how far back something must have been shown by the signer before
// us to be in every cache: no longer TTL is usual.
const lookBack = 24 * time.Hour

// fromTiming gives a key's records the states that its times tell of; false
// says that nothing of it was to be seen yet.
func fromTiming(k *rollover.Key, t moments, p policy.Policy, now time.Time) (known bool) {
	come := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	if t.publish.IsZero() {
		t.publish = t.activate // BIND's default for keys with an activation alone
	}
	if !come(t.publish) {
		return false
	}
	dnskey := rollover.Status{State: rollover.Omnipresent, Goal: rollover.Omnipresent, Since: t.publish}
	if now.Before(t.publish.Add(p.ZonePropagation + time.Duration(p.DNSKEYTTL)*time.Second)) {
		dnskey.State, dnskey.Pending = rollover.Rumoured, true
	}
	end := sooner(t.inactive, t.remove)
	if !come(end) {
		k.Retire = end
	}
	switch {
	case come(end):
		k.Retired = end
		dnskey.Goal = rollover.Hidden
		if come(t.remove) {
			dnskey.State, dnskey.Since, dnskey.Pending = rollover.Unretentive, t.remove, false
		} else if come(t.activate) {
			k.Active = t.activate
			withdraw(k, end)
		}
	case come(t.activate):
		k.SetGoals(rollover.Omnipresent)
		state := rollover.Omnipresent
		if now.Sub(t.activate) < lookBack {
			state = rollover.Rumoured
		}
		show(k, state, t.activate)
	}
	*k.Status(rollover.DNSKEY) = dnskey
	return true
}

// withdraw marks the signatures of a key as ended: caches may have some.
func withdraw(k *rollover.Key, since time.Time) {
	if k.Role.SignsDNSKEY() {
		*k.Status(rollover.KRRSIG) = rollover.Status{State: rollover.Unretentive, Since: since}
	}
	if k.Role.SignsZone() {
		*k.Status(rollover.ZRRSIG) = rollover.Status{State: rollover.Unretentive, Since: since}
	}
}

// fromState gives a key's records the states that its .state file has for them;
// false says that nothing of it was to be seen yet.
func fromState(k *rollover.Key, lines map[string]string, now time.Time) (known bool) {
	moment := func(line string) time.Time {
		t, _ := time.Parse("20060102150405", strings.Fields(lines[line] + " -")[0])
		if t.After(now) {
			return now // of something that is so already
		}
		return t
	}
	goal := rollover.Omnipresent
	if strings.EqualFold(lines["GoalState"], "hidden") {
		goal = rollover.Hidden
		k.Retired = now
		if t := moment("Retired"); !t.IsZero() {
			k.Retired = t
		}
	}
	k.SetGoals(goal)
	for r, name := range map[rollover.Record]string{
		rollover.DNSKEY: "DNSKEY", rollover.KRRSIG: "KRRSIG", rollover.ZRRSIG: "ZRRSIG", rollover.DS: "DS",
	} {
		s := k.Status(r)
		if s.State.UnmarshalText([]byte(strings.ToLower(lines[name+"State"]))) != nil {
			s.State = rollover.Hidden // BIND leaves out what is not of the key's role
		}
		if s.State != rollover.Hidden {
			s.Since = moment(name + "Change")
			known = true
		}
	}
	k.Active = moment("Active")
	switch seen, gone := moment("DSPublish"), moment("DSRemoved"); {
	case k.Status(rollover.DS).State.Shown():
		k.DSSeen = seen
	case k.Status(rollover.DS).State == rollover.Unretentive:
		k.DSGone = gone
	}
	return known || goal == rollover.Hidden
}

// checkSigners reports why keys that were found, with those to be made, cannot
// sign the zone now. It is asked before anything is stored, so that files can
// still be exchanged: what the state names, it keeps.
func (s *signer) checkSigners(found []rollover.Key, spares []state.Spare, roles []policy.Role, now time.Time) error {
	keys := slices.Clone(found)
	for _, r := range roles {
		k := rollover.Key{ID: "a new " + r.String(), Role: r, Algorithm: s.policy.Algorithm}
		k.SetGoals(rollover.Omnipresent)
		show(&k, rollover.Rumoured, now)
		keys = append(keys, k)
	}
	signing := func(r rollover.Record, algorithm policy.Algorithm) bool {
		return slices.ContainsFunc(keys, func(k rollover.Key) bool {
			return k.Status(r).State.Shown() && (algorithm == 0 || k.Algorithm == algorithm)
		})
	}
	algorithms := []policy.Algorithm{0} // of which there has to be a signer: any, and each that is published
	apex := false
	for i := range keys {
		k := &keys[i]
		apex = apex || k.Role.SignsDNSKEY()
		if k.Status(rollover.DNSKEY).State.Shown() && !slices.Contains(algorithms, k.Algorithm) {
			algorithms = append(algorithms, k.Algorithm)
		}
	}
	var missing []string
	for _, a := range algorithms {
		of := ""
		if a != 0 {
			of = " of " + a.String()
		}
		if !signing(rollover.ZRRSIG, a) {
			missing = append(missing, "no key"+of+" signs the zone")
		}
		if apex && !signing(rollover.KRRSIG, a) {
			missing = append(missing, "no key"+of+" signs the DNSKEY set")
		}
	}
	if missing == nil {
		return nil
	}
	var have []string
	for i := range keys {
		have = append(have, describe(&keys[i]))
	}
	for _, x := range spares {
		have = append(have, fmt.Sprintf("%s (%s, %s) is for the next roll", x.ID, x.Role, x.Algorithm))
	}
	return fmt.Errorf("%w in %s: %s (RFC 4035 section 2.2): %s; set other times with dnssec-settime, add the keys that "+
		"are missing, or move these away", errKeys, s.dir, strings.Join(missing, ", "), strings.Join(have, ", "))
}

// describe says what a key does, and why it does not sign.
func describe(k *rollover.Key) string {
	text := fmt.Sprintf("%s (%s, %s) is %s", k.ID, k.Role, k.Algorithm, doing(k))
	if !k.Retired.IsZero() {
		return text + ", retired at " + k.Retired.UTC().Format(time.RFC3339)
	}
	return text
}

// makings has one at a time look for a zone's first keys in a directory and
// make them. The views of a zone have keys in common, as they have one parent:
// whoever comes second finds those of the first.
var makings turns

// turns are locks by name.
type turns struct {
	mu    sync.Mutex
	locks map[string]chan struct{}
}

// wait returns when the caller's turn has come, with what ends it.
func (t *turns) wait(ctx context.Context, name string) (done func(), err error) {
	t.mu.Lock()
	if t.locks == nil {
		t.locks = map[string]chan struct{}{}
	}
	lock := t.locks[name]
	if lock == nil {
		lock = make(chan struct{}, 1)
		t.locks[name] = lock
	}
	t.mu.Unlock()
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
