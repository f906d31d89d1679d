package autosign

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/state"
)

// revoked reports whether a key file says that the key revokes itself (RFC 5011
// section 2.1): it signs the DNSKEY set, but nobody trusts the set for that.
func revoked(k key.Key) bool { return k.Flags&key.FlagRevoke != 0 }

// trusted returns the keys that are not revoked.
func trusted(keys []state.Key, entries []keystore.Entry) []state.Key {
	return slices.DeleteFunc(slices.Clone(keys), func(k state.Key) bool {
		return slices.ContainsFunc(entries, func(e keystore.Entry) bool { return e.ID == k.ID && revoked(e.Key) })
	})
}

// retireAtRevocation makes a key stop when its metadata wants it revoked: the
// flag would make another key of it, with another tag and file name, and that
// is for dnssec-revoke to do.
func retireAtRevocation(k *state.Key, e keystore.Entry) {
	if !e.Timing.Revoke.IsZero() && !revoked(e.Key) {
		k.Inactive = sooner(k.Inactive, e.Timing.Revoke)
	}
}

// checkSigners reports why keys that were found, with those to be made, cannot
// sign the zone now. It is asked before anything is stored, so that files can
// still be exchanged: what the state names, it keeps.
func (s *signer) checkSigners(found []state.Key, roles []policy.Role, now time.Time) error {
	doc := state.New(s.zone)
	doc.Keys = slices.Clone(found)
	for _, r := range roles {
		doc.Keys = append(doc.Keys, state.Key{ID: "a new " + r.String(), Role: r.String(),
			Algorithm: uint8(s.policy.Algorithm), Publish: now, Activate: now})
	}
	uses := usesOf(doc, now)
	signing := func(algorithm uint8, has func(policy.Role) bool) bool {
		return slices.ContainsFunc(doc.Keys, func(k state.Key) bool {
			role, err := policy.ParseRole(k.Role)
			return err == nil && has(role) && uses[k.ID].signs && (algorithm == 0 || k.Algorithm == algorithm)
		})
	}
	algorithms := []uint8{0} // of which there has to be a signer: any, and each that is published
	for _, k := range doc.Keys {
		if uses[k.ID].published && !slices.Contains(algorithms, k.Algorithm) {
			algorithms = append(algorithms, k.Algorithm)
		}
	}
	var missing []string
	for _, a := range algorithms {
		of := ""
		if a != 0 {
			of = " of " + policy.Algorithm(a).String()
		}
		if !signing(a, policy.Role.SignsZone) {
			missing = append(missing, "no key"+of+" signs the zone")
		}
		if !zskOnly(doc) && !signing(a, policy.Role.SignsDNSKEY) {
			missing = append(missing, "no key"+of+" signs the DNSKEY set")
		}
	}
	if missing == nil {
		return nil
	}
	var have []string
	for i := range doc.Keys {
		have = append(have, describe(&doc.Keys[i], uses[doc.Keys[i].ID], now))
	}
	return fmt.Errorf("%w in %s: %s (RFC 4035 section 2.2): %s; set other times with dnssec-settime, add the keys that "+
		"are missing, or move these away", errKeys, s.dir, strings.Join(missing, ", "), strings.Join(have, ", "))
}

// describe says what a key does, and why it does not sign.
func describe(k *state.Key, u use, now time.Time) string {
	text := fmt.Sprintf("%s (%s, %s) is %s", k.ID, k.Role, policy.Algorithm(k.Algorithm), u)
	switch moment := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }; {
	case u.signs:
		return text
	case come(k.Delete, now):
		return text + " since " + moment(k.Delete)
	case come(k.Inactive, now):
		return text + ", retired at " + moment(k.Inactive)
	case k.Activate.After(now):
		return text + " until " + moment(k.Activate)
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
