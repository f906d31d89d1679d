package autosign

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// zskOnly reports whether the KSK is elsewhere: no key of the zone signs DNSKEY.
func zskOnly(doc *state.Document) bool {
	return len(doc.KeySet.Keys) > 0 && !slices.ContainsFunc(doc.KeySet.Keys, func(k rollover.Key) bool { return k.Role.SignsDNSKEY() })
}

// strayKeys looks at usable keys that the state does not name. Where the KSK is
// elsewhere its holder rolls the ZSKs, too, by the DNSKEY set in the source: a
// ZSK that is in it and at hand begins to sign, one that is no longer in it
// stops at once. All others are told of, once: a key that appears beside the
// zone's own may be the rest of something that was interrupted.
func (s *signer) strayKeys(ctx context.Context, doc *state.Document, content *zone.Zone, m moment) (*state.Document, error) {
	entries, err := s.box.list(ctx, s.policy.Scheme)
	if err != nil {
		return nil, err
	}
	var came []keystore.Entry
	for _, e := range entries {
		switch {
		case e.Err != nil || e.PublicOnly || doc.Names(e.ID) || s.made(e.ID):
		case zskOnly(doc) && inPresigned(content, e.Key.DNSKEY()):
			came = append(came, e)
		default:
			s.warnOnce(fmt.Sprintf("key %s in %s is not used: the zone has its keys, and its state does not name this one", e.ID, s.dir))
		}
	}
	if !zskOnly(doc) || s.box.away != nil || !followSet(clone(doc), came, content, m) {
		return doc, nil
	}
	doc, err = s.docs.change(ctx, func(d *state.Document) error {
		if !followSet(d, came, content, m) {
			return errUnchanged
		}
		_, err := turn(d, s.outlook(m))
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, e := range came {
		s.tell(event.Event{Kind: event.KeyAdopted, Key: e.ID, Tag: e.Key.Tag, To: "ZSK, active", Why: "it is in the source's DNSKEY set"})
	}
	return doc, nil
}

// made reports whether a key is one that this process made and could not note.
func (s *signer) made(id string) bool {
	return slices.ContainsFunc(s.spares, func(x state.Spare) bool { return x.ID == id })
}

// inPresigned reports whether a key is in the DNSKEY set that the source brings.
func inPresigned(z *zone.Zone, dnskey []byte) bool {
	return z.Presigned != nil && slices.ContainsFunc(z.Presigned.Keys, func(rd []byte) bool { return bytes.Equal(rd, dnskey) })
}

// followSet makes a document's ZSKs those of the source's DNSKEY set, and
// reports whether that changed it. A set with none of them is left to the pass
// to refuse. Whether and when that is safe its holder knows: nothing waits.
func followSet(doc *state.Document, came []keystore.Entry, z *zone.Zone, m moment) (changed bool) {
	for _, e := range came {
		k := newKey(e)
		inSet(&k, true, m.key)
		changed = doc.Key(e.ID) == nil && doc.AddKey(k) == nil || changed
	}
	if z.Presigned == nil {
		return changed
	}
	listed := map[string]bool{}
	for _, rd := range z.Presigned.Keys {
		listed[digestOf(rd)] = true
	}
	if !slices.ContainsFunc(doc.KeySet.Keys, func(k rollover.Key) bool { return listed[k.PublicDigest] }) {
		return changed
	}
	for i := range doc.KeySet.Keys {
		if k := &doc.KeySet.Keys[i]; !listed[k.PublicDigest] && !k.Gone() {
			inSet(k, false, m.key)
			// Signatures by a key that nobody can find any more must not stay.
			doc.KeySet.Urgent, changed = true, true
		}
	}
	return changed
}

// inSet has a ZSK sign, or be gone, at once.
func inSet(k *rollover.Key, in bool, now time.Time) {
	status := rollover.Status{State: rollover.Omnipresent, Goal: rollover.Omnipresent, Since: now}
	if in {
		k.Active, k.Retired, k.Removed = now, time.Time{}, time.Time{}
	} else {
		status = rollover.Status{Since: now}
		k.Retired, k.Removed = now, now
	}
	*k.Status(rollover.DNSKEY), *k.Status(rollover.ZRRSIG) = status, status
}

// reasonsElsewhere explains keys that do what the DNSKEY set in the source says.
func reasonsElsewhere(set *rollover.KeySet) (list []rollover.Reason) {
	for i := range set.Keys {
		k := &set.Keys[i]
		for _, r := range []rollover.Record{rollover.DNSKEY, rollover.ZRRSIG} {
			s := k.Status(r)
			out := rollover.Reason{Key: k.ID, Tag: k.Tag, Role: k.Role, Record: r, State: s.State, Since: s.Since, Goal: s.Goal,
				Next: rollover.Hidden, Waiting: "the source's DNSKEY set to be without this key"}
			if !s.State.Shown() {
				out.Next, out.Waiting = rollover.Omnipresent, "the source's DNSKEY set to have this key"
			}
			list = append(list, out)
		}
	}
	return list
}

// forget drops ZSKs that have been out of the source's DNSKEY set for so long;
// zero: none. Where the KSK is here a step does that.
func forget(doc *state.Document, purge time.Duration, now time.Time) {
	if purge <= 0 {
		return
	}
	set := doc.KeySet.Clone()
	set.Keys = slices.DeleteFunc(set.Keys, func(k rollover.Key) bool {
		signs := slices.ContainsFunc(doc.Generations, func(g state.Generation) bool { return slices.Contains(g.ZSKs, k.ID) })
		return !signs && k.Gone() && !k.Removed.IsZero() && !k.Removed.Add(purge).After(now)
	})
	if len(set.Keys) < len(doc.KeySet.Keys) {
		doc.SetKeys(set)
	}
}
