package autosign

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/parent"
)

// A state that was put back from a backup may not know the keys by which the
// zone is signed today. What the zone's other servers show tells: it is compared
// after each start of a zone that was published before.

// comparison is what the zone's servers show, held against the state.
type comparison struct {
	told    bool   // a server told what it shows, or nobody in the world is led to any
	all     bool   // every server told
	strange string // why the state is not to be trusted; empty: nothing speaks against it
}

// compare asks the zone's servers for its keys, and sends what that says about
// the state.
func (w *watch) compare(ctx context.Context) <-chan comparison {
	out := make(chan comparison, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, lookDeadline)
		defer cancel()
		published, err := w.ask.DNSKEY(ctx, w.zone)
		if err != nil {
			out <- comparison{told: errors.Is(err, parent.ErrNotDelegated)}
			return
		}
		tells := func(c parent.Copy) bool { return c.Err == nil }
		silent := func(c parent.Copy) bool { return c.Err != nil }
		out <- comparison{slices.ContainsFunc(published.Copies, tells), !slices.ContainsFunc(published.Copies, silent), w.strangers(published)}
	}()
	return out
}

// await takes the outcome of a comparison. If it is long in coming, keys go on
// meanwhile.
func (w *watch) await(ctx context.Context, from <-chan comparison) {
	around := w.policy.DSTTL + w.policy.ParentPropagation
	wait := time.NewTimer(clamp(around/4, time.Second, lookDeadline))
	defer wait.Stop()
	select {
	case c := <-from:
		w.compared(c)
	case <-ctx.Done():
	case <-wait.C:
		go func() {
			select {
			case c := <-from:
				w.compared(c)
				if c.strange != "" {
					w.wake()
				}
			case <-ctx.Done():
			}
		}()
	}
}

// compared notes why the state is not to be trusted, or that it is again: for
// that every server has to tell. Until one does, the next look asks again.
func (w *watch) compared(c comparison) {
	w.mu.Lock()
	before := w.strange
	if c.strange != "" || c.all {
		w.strange = c.strange
	}
	w.told = w.told || c.told
	why := w.strange
	w.mu.Unlock()
	switch {
	case why != "" && before == "":
		w.tell(event.Event{Kind: event.Frozen, Why: why})
	case why == "" && before != "":
		w.tell(event.Event{Kind: event.Thawed, Why: "the zone's servers show no key any more that the state does not know"})
	}
}

// strangers says which keys the zone's servers show that the state does not
// know; empty: none.
func (w *watch) strangers(p parent.Published) string {
	w.mu.Lock()
	known := w.digests
	w.mu.Unlock()
	found := map[uint16][]string{} // servers by tag
	for _, c := range p.Copies {
		for _, rdata := range c.DNSKEY {
			if digest := plainDigest(rdata); !known[digest] && !knownBeside(w.zone, digest) {
				found[key.Tag(rdata)] = append(found[key.Tag(rdata)], c.Name)
			}
		}
	}
	if len(found) == 0 {
		return ""
	}
	var parts []string
	for tag, servers := range found {
		slices.Sort(servers)
		parts = append(parts, fmt.Sprintf("%d at %s", tag, strings.Join(slices.Compact(servers), ", ")))
	}
	slices.Sort(parts)
	return "servers of the zone show keys that the state does not know: tag " + strings.Join(parts, "; tag ") +
		": was an older state put back? Put back the right one, or order to resume against this"
}

// plainDigest returns the digest of DNSKEY RDATA without the revoke bit.
func plainDigest(rdata []byte) string {
	plain := slices.Clone(rdata)
	if len(plain) > 1 {
		plain[1] &^= byte(key.FlagRevoke)
	}
	sum := sha256.Sum256(plain)
	return hex.EncodeToString(sum[:])
}

// knownBeside reports whether a key belongs to the zone in another view.
func knownBeside(zone, digest string) bool {
	for _, s := range signersOf(zone) {
		if s.watch.knows(digest) {
			return true
		}
	}
	return false
}

// knows reports whether the state knows, or knew, a key.
func (w *watch) knows(digest string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.digests[digest]
}

// trust goes on although the zone's servers show keys that the state does not
// know: an operator said so.
func (w *watch) trust() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trusted = true
}

// signersOf returns the signers of a zone in all views of the newest instance.
func signersOf(zone string) (list []*signer) {
	process.mu.Lock()
	defer process.mu.Unlock()
	if len(process.instances) == 0 {
		return nil
	}
	for id, s := range process.instances[len(process.instances)-1].signers {
		if id.zone == zone {
			list = append(list, s)
		}
	}
	return list
}

// stranger returns why the state is not trusted; empty: it is.
func (w *watch) stranger() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.trusted {
		return ""
	}
	return w.strange
}
