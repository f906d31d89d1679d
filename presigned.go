package autosign

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/state"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// zskOnly reports whether the KSK is elsewhere: no key of the zone signs DNSKEY.
func zskOnly(doc *state.Document) bool {
	return len(doc.Keys) > 0 && !slices.ContainsFunc(doc.Keys, func(k state.Key) bool {
		role, err := policy.ParseRole(k.Role)
		return err != nil || role.SignsDNSKEY()
	})
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
		case e.Err != nil || e.PublicOnly || doc.Key(e.ID) != nil:
		case zskOnly(doc) && inPresigned(content, e.Key.DNSKEY()):
			came = append(came, e)
		default:
			s.warnOnce(fmt.Sprintf("key %s in %s is not used: the zone has its keys, and its state does not name this one", e.ID, s.dir))
		}
	}
	if !zskOnly(doc) || !followSet(clone(doc), came, content, s.policy, m) {
		return doc, nil
	}
	doc, err = s.docs.change(ctx, func(d *state.Document) error {
		if !followSet(d, came, content, s.policy, m) {
			return errUnchanged
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, e := range came {
		s.tell(event.Event{Kind: event.KeyAdopted, Key: e.ID, To: "ZSK, active", Why: "it is in the source's DNSKEY set"})
	}
	return doc, nil
}

// inPresigned reports whether a key is in the DNSKEY set that the source brings.
func inPresigned(z *zone.Zone, dnskey []byte) bool {
	return z.Presigned != nil && slices.ContainsFunc(z.Presigned.Keys, func(rd []byte) bool { return bytes.Equal(rd, dnskey) })
}

// followSet makes a document's ZSKs those of the source's DNSKEY set, and
// reports whether that changed it. A set with none of them is left to the pass
// to refuse.
func followSet(doc *state.Document, came []keystore.Entry, z *zone.Zone, p policy.Policy, m moment) (changed bool) {
	for _, e := range came {
		k := stateKey(e)
		k.Publish, k.Activate = m.keys, m.keys
		changed = doc.Key(e.ID) == nil && doc.AddKey(k) == nil || changed
	}
	if z.Presigned == nil {
		return changed
	}
	listed := map[string]bool{}
	for _, rd := range z.Presigned.Keys {
		listed[digestOf(rd)] = true
	}
	if !slices.ContainsFunc(doc.Keys, func(k state.Key) bool { return listed[k.PublicDigest] }) {
		return changed
	}
	left := false
	for i := range doc.Keys {
		if k := &doc.Keys[i]; !listed[k.PublicDigest] && !come(k.Delete, m.keys) {
			k.Inactive, k.Delete, left = m.keys, m.keys, true
		}
	}
	if left {
		// Signatures by a key that nobody can find any more must not stay.
		doc.Collapse(generationOf(doc, p, m.keys))
	}
	return changed || left
}
