package autosign

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
)

// outlook is what a pass knows of the world when it brings a document to the
// moment.
type outlook struct {
	policy  policy.Policy // of the configuration at hand
	asOf    time.Time     // modification time of that configuration
	entries []keystore.Entry
	listed  bool // entries are what the key store has now, not what it had
	now     time.Time
	jump    time.Duration // how far the clock has jumped ahead without the document knowing of it
	freeze  string        // why no key may move; empty: they may
	until   time.Time
	shape   string    // of what is served
	since   time.Time // since when that is served
	parent  sighting
	others  otherViews
	salt    []byte // random, as long as one may be, for a zone that needs another
}

// turned is what became of a document.
type turned struct {
	policy  policy.Policy // in force
	older   bool          // a newer configuration than the one at hand has set it
	plan    rollover.Plan
	facts   rollover.Facts // that the plan was made with
	frozen  bool           // nothing moves, for another reason than the parent
	changed bool           // the document is to be stored
}

// turn brings a document to a moment and a policy: keys move as far as that is
// safe, a new generation begins when other keys sign or signatures live
// otherwise. Turning it again changes nothing.
func turn(d *state.Document, w outlook) (t turned, err error) {
	before := clone(d)
	if w.listed {
		complete(d, w.entries, w.now)
	}
	if t.policy, t.older, err = effective(d, w); err != nil {
		return t, err
	}
	t.frozen = w.freeze != ""
	frozen := t.frozen && d.PolicyRevision > 0
	leap(d, w)
	if !frozen && !t.older {
		setPolicy(d, t.policy, w)
	}
	if n := t.policy.Denial.SaltLength; t.policy.Denial.NSEC3 && len(d.Salt) != n {
		d.Salt = slices.Clone(w.salt[:n])
	}
	if !frozen && w.shape == shapeOf(d) {
		noteComplete(d, w.since)
	}
	t.facts = facts(d, w)
	if !sameParent(t.policy, w.policy) {
		t.facts.Parent = rollover.Observation{}
		if !t.policy.NoParent {
			t.facts.Unsure = "the parent of the policy in force is not looked at here"
		}
	}
	if zskOnly(d) {
		if !frozen {
			forget(d, t.policy.PurgeKeys, w.now)
		}
		t.plan.KeySet = d.KeySet // whoever has the KSK says what its ZSKs do
	} else {
		t.plan = rollover.Step(w.now, t.policy, t.facts, d.KeySet)
		d.SetKeys(t.plan.KeySet)
	}
	if !frozen {
		regenerate(d, t.policy, w)
	}
	t.changed = !reflect.DeepEqual(before, d)
	return t, nil
}

// leap takes a jump of the clock into a document: time that did not pass is no
// hold. If the document was worked on since a far one, another instance has done
// so; a little one may only put right a clock that the document has followed back.
func leap(d *state.Document, w outlook) {
	known := w.jump > jumpRunning && w.now.Sub(d.LastSeen) < w.jump
	if w.jump <= 0 || d.LastSeen.IsZero() || known {
		return
	}
	d.KeySet.Jumped(w.now, w.jump)
	for i := range d.Generations {
		if c := &d.Generations[i].Complete; !c.IsZero() {
			*c = earlier(c.Add(w.jump), w.now)
		}
	}
}

// earlier returns the earlier of two moments.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// effective returns the policy that is in force: that of the configuration at
// hand, or the stored one if a newer configuration has set that. What no operator
// has named stays as the keys in service have it.
func effective(d *state.Document, w outlook) (p policy.Policy, older bool, err error) {
	p = w.policy
	if older = givesWay(d, w); older || w.freeze != "" && d.PolicyRevision > 0 {
		if p, err = d.Policy.Over(w.policy); err != nil {
			return p, older, fmt.Errorf("stored policy: %w", err)
		}
	}
	return asKeysAre(p, &d.KeySet), older, nil
}

// givesWay reports whether a newer configuration than the one at hand has set the
// stored policy: one that was modified later, or, at the same moment, one that
// came after this one. A moment that no clock of a server can show yet is of a
// clock that was wrong.
func givesWay(d *state.Document, w outlook) bool {
	switch {
	case d.PolicyRevision == 0, d.PolicyAsOf.After(w.now.Add(jumpStopped)):
		return false
	case d.PolicyAsOf.Equal(w.asOf):
		i := slices.Index(d.PolicySets, digestOfPolicy(w.policy))
		return i >= 0 && i < len(d.PolicySets)-1
	}
	return d.PolicyAsOf.After(w.asOf)
}

// setPolicy notes the policy in force, and that the configuration at hand has set
// it.
func setPolicy(d *state.Document, p policy.Policy, w outlook) {
	asOf, mine := earlier(w.asOf, w.now.Add(jumpStopped)), digestOfPolicy(w.policy)
	switch changed := d.SetPolicy(state.PolicyOf(p)); {
	case !d.PolicyAsOf.Equal(asOf):
		if changed || d.PolicyAsOf.IsZero() {
			d.PolicyAsOf, d.PolicySets = asOf, []string{mine}
		}
	case !slices.Contains(d.PolicySets, mine):
		d.PolicySets = append(slices.Clip(d.PolicySets), mine)
		d.PolicySets = d.PolicySets[max(len(d.PolicySets)-maxSets, 0):]
	}
}

// maxSets bounds the configurations of one moment that are remembered.
const maxSets = 16

// digestOfPolicy names what of a policy is stored.
func digestOfPolicy(p policy.Policy) string {
	text, _ := json.Marshal(state.PolicyOf(p)) // of plain values
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// sameParent reports whether two policies have a parent of the same kind.
func sameParent(a, b policy.Policy) bool {
	return a.NoParent == b.NoParent && a.ParentLocal == b.ParentLocal
}

// asKeysAre fills in what an operator has left open: algorithm, scheme and the
// length of RSA keys are those of the keys in service.
func asKeysAre(p policy.Policy, s *rollover.KeySet) policy.Policy {
	var newest *rollover.Key
	var algorithms []policy.Algorithm
	roles := map[policy.Role]bool{}
	for i := range s.Keys {
		k := &s.Keys[i]
		if k.Foreign || !k.InService() || !k.Retired.IsZero() {
			continue
		}
		roles[k.Role] = true
		algorithms = append(algorithms, k.Algorithm)
		if newest == nil || k.Active.After(newest.Active) {
			newest = k
		}
	}
	if newest == nil {
		return p
	}
	if !p.AlgorithmGiven && !slices.Contains(algorithms, p.Algorithm) {
		p.Algorithm = newest.Algorithm
		p.KSKBits, p.ZSKBits, p.CSKBits = 0, 0, 0
	}
	if !p.SchemeGiven && roles[policy.CSK] != (roles[policy.KSK] || roles[policy.ZSK]) {
		p.Scheme = policy.SchemeSplit
		if roles[policy.CSK] {
			p.Scheme = policy.SchemeCSK
		}
	}
	for i := range s.Keys {
		k := &s.Keys[i]
		if _, bits := p.OfRole(k.Role); k.InService() && k.Algorithm == p.Algorithm && *bits == 0 && p.Algorithm.RSA() {
			*bits = k.Bits
		}
	}
	return p
}

// complete adds to a document what only the key store knows, and drops spares
// that are there no more.
func complete(d *state.Document, entries []keystore.Entry, now time.Time) {
	for _, e := range entries {
		if x := d.Spare(e.ID); x != nil && e.Err == nil && x.Bits == 0 && x.Algorithm.RSA() {
			x.Bits = e.Key.Bits() // as it was noted by an earlier version
		}
		k := d.Key(e.ID)
		if e.Err != nil || k == nil {
			continue
		}
		public := plain(e.Key)
		if k.Bits == 0 && k.Algorithm.RSA() {
			k.Bits = public.Bits()
		}
		if k.PublicDigest == e.Key.PublicDigest() && e.Key.Flags&key.FlagRevoke != 0 {
			k.Tag, k.PublicDigest = public.Tag, public.PublicDigest() // as it was adopted by an earlier version
			if k.Revoked.IsZero() {
				k.Revoked = d.LastSeen
			}
		}
		if k.PublicDigest == public.PublicDigest() {
			_ = d.UseTag(public.Tag, k.PublicDigest)
			_ = d.UseTag(public.RevokedTag(), k.PublicDigest) // of an earlier version, it may be taken: then it is never used
		}
	}
	d.Pool = slices.DeleteFunc(d.Pool, func(s state.Spare) bool {
		return now.Sub(s.Created) > spareGrace && !usableSpare(s, entries)
	})
}

// spareGrace is how old a spare has to be to count as lost if it is not in the
// key store: another instance may have made it since that was listed.
const spareGrace = 24 * time.Hour

// usableSpare reports whether a key of the pool is in the key store.
func usableSpare(s state.Spare, entries []keystore.Entry) bool {
	return slices.ContainsFunc(entries, func(e keystore.Entry) bool {
		return e.ID == s.ID && e.Err == nil && !e.PublicOnly && e.Key.PublicDigest() == s.PublicDigest
	})
}

// facts gathers what a step is told.
func facts(d *state.Document, w outlook) rollover.Facts {
	f := rollover.Facts{Parent: w.others.counted(w.parent.seen, &d.KeySet), Unsure: w.parent.unsure, Freeze: w.freeze, Until: w.until, Complete: completeSince(d)}
	if f.Freeze == "" {
		f.Freeze, f.Until = w.parent.freeze, w.parent.until
	}
	if f.Unsure == "" && w.others.lost != nil {
		f.Unsure = w.others.wish(&d.KeySet).waits
	}
	for _, s := range d.Pool {
		if usableSpare(s, w.entries) {
			f.Pool = append(f.Pool, rollover.Candidate(s))
		}
	}
	if w.shape == shapeOf(d) {
		f.Served = w.since
	}
	return f
}

// noteComplete notes that what the document says has been served since a moment:
// if no older generation lives everything is signed by the newest since then. A
// key whose signatures begin or end with that has them begin or end no later.
func noteComplete(d *state.Document, since time.Time) {
	if len(d.Generations) != 1 {
		return
	}
	g := &d.Generations[0]
	if g.Complete.IsZero() || g.Complete.Before(since) && slices.ContainsFunc(d.KeySet.Keys, func(k rollover.Key) bool {
		return k.Status(rollover.ZRRSIG).Pending
	}) {
		g.Complete = since
	}
}

// completeSince returns since when everything served is signed by the keys that
// are to sign. A zone that has been unsigned is complete with that.
func completeSince(d *state.Document) (since time.Time) {
	if d.KeySet.Signed() {
		if len(d.Generations) == 1 {
			return d.Generations[0].Complete
		}
		return time.Time{}
	}
	for i := range d.KeySet.Keys {
		s := d.KeySet.Keys[i].Status(rollover.ZRRSIG)
		if s.Pending {
			return time.Time{}
		}
		if s.State == rollover.Unretentive && s.Since.After(since) {
			since = s.Since
		}
	}
	return since
}

// shapeOf names all that a key set and the newest generation show in a zone. A
// version made of a document of this shape carries every move of it.
func shapeOf(d *state.Document) string {
	s := &d.KeySet
	var b strings.Builder
	for _, ids := range [][]string{s.Published(), s.DNSKEYSigners(), s.ZoneSigners(), s.Delegated()} {
		fmt.Fprintln(&b, strings.Join(ids, " "))
	}
	for i := range s.Keys {
		if k := &s.Keys[i]; !k.Revoked.IsZero() {
			fmt.Fprintln(&b, "revoked", k.ID)
		}
	}
	fmt.Fprintln(&b, s.Withdrawn(), len(d.Generations))
	if n := len(d.Generations); n > 0 {
		fmt.Fprintln(&b, d.Generations[n-1].Since.UnixNano(), strings.Join(d.Generations[n-1].ZSKs, " "))
	}
	return b.String()
}

// regenerate makes the generations those of the key set and the policy. While
// signatures still move to the newest one it is left as it is, unless other keys
// are to sign.
func regenerate(d *state.Document, p policy.Policy, w outlook) {
	if !d.KeySet.Signed() {
		d.Generations, d.KeySet.Urgent = d.Generations[:0], false
		return
	}
	now := w.now.Truncate(time.Second)
	straightenGenerations(d, now)
	if n := len(d.Generations); n > 0 {
		d.PruneGenerations(now, spreadOf(d.Generations[n-1]))
	}
	g := state.Generation{
		Since:          now,
		Validity:       state.Duration(p.Validity),
		ValidityDNSKEY: state.Duration(p.ValidityDNSKEY),
		Refresh:        state.Duration(p.Refresh),
		ZSKs:           ours(&d.KeySet, d.KeySet.ZoneSigners()),
	}
	slices.Sort(g.ZSKs)
	n := len(d.Generations)
	switch {
	case len(g.ZSKs) == 0:
		return
	case n == 0 || d.KeySet.Urgent:
		if n != 1 || !d.Generations[0].Same(g) {
			d.Collapse(g)
		}
		d.KeySet.Urgent = false
	case n == 1 || !slices.Equal(d.Generations[n-1].ZSKs, g.ZSKs):
		d.AddGeneration(g)
	}
}

// straightenGenerations sets a moment of a clock that was wrong to now: what
// moves begins again.
func straightenGenerations(d *state.Document, now time.Time) {
	n := len(d.Generations)
	if n == 0 || !d.Generations[n-1].Since.After(now) {
		return
	}
	d.Generations[n-1].Since = now
	if n > 1 && !d.Generations[0].Since.Before(now) {
		d.Generations[0].Since = now.Add(-time.Second)
	}
}

// spreadOf returns how long it takes until every signature is of a generation.
func spreadOf(g state.Generation) time.Duration {
	return policy.Spread(time.Duration(g.Validity), time.Duration(g.Refresh))
}
