package autosign

import (
	"context"
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
// after each start of a zone that was published before, and until that is done no
// key moves. The world is asked where they are if there is a parent to be asked,
// and otherwise the zone itself: nobody may be led to it, or to another zone of
// its name.

// comparison is what the zone's servers show, held against the state.
type comparison struct {
	told    bool   // every server told, or nobody in the world is led to any
	strange string // why the state is not to be trusted; empty: nothing speaks against it
}

// doubtful reports whether the zone's servers are to be asked whether the state
// is one of the past. The lock is held.
func (w *watch) doubtful() bool {
	return w.ask != nil && w.old && !w.trusted && (!w.told || w.strange != "")
}

// patience is how long keys wait for servers of the zone that do not answer, or
// cannot be found.
func (w *watch) patience() time.Duration {
	return clamp((w.policy.DSTTL+w.policy.ParentPropagation)/4, time.Second, startBound)
}

// compare asks the zone's servers for its keys, and sends what that says about
// the state.
func (w *watch) compare(ctx context.Context) <-chan comparison {
	out := make(chan comparison, 1)
	w.mu.Lock()
	hosts := w.hosts
	w.mu.Unlock()
	go func() {
		ctx, cancel := context.WithTimeout(ctx, lookDeadline)
		defer cancel()
		var published parent.Published
		var err error
		if w.active() {
			published, err = w.ask.DNSKEY(ctx, w.zone)
		} else {
			published = w.ask.DNSKEYAt(ctx, w.zone, hosts)
		}
		if err != nil {
			out <- comparison{told: errors.Is(err, parent.ErrNotDelegated)}
			return
		}
		silent := func(c parent.Copy) bool { return c.Err != nil }
		out <- comparison{told: !slices.ContainsFunc(published.Copies, silent), strange: w.strangers(published)}
	}()
	return out
}

// lookAround asks the zone's servers where there is no parent to be asked, and
// returns when to ask again; zero: there is no need.
func (w *watch) lookAround(ctx context.Context) (next time.Time) {
	var c comparison
	select {
	case c = <-w.compare(ctx):
	case <-ctx.Done():
		return time.Time{}
	}
	w.compared(c)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looking = false
	if !w.doubtful() {
		return time.Time{}
	}
	now := w.now()
	w.around = now.Add(paceOf(w.policy).next(w.zone, w.strange != "" || now.Before(w.began.Add(w.patience())), w.tries))
	w.tries++
	return w.around
}

// await takes the outcome of a comparison. If it is long in coming, the look at
// the parent counts meanwhile.
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
			case <-ctx.Done():
			}
		}()
	}
}

// compared notes why the state is not to be trusted, or that it is again: for
// that every server has to tell. Until they do, the next look asks again.
func (w *watch) compared(c comparison) {
	w.mu.Lock()
	before, news := w.strange, c.told && !w.told
	if c.strange != "" || c.told {
		w.strange = c.strange
	}
	w.told = w.told || c.told
	why := w.strange
	w.mu.Unlock()
	if news || why != before {
		w.wake()
	}
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
			if digest := plainDigest(rdata); !known[digest] && !knownInViews(w.zone, digest) {
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
	return digestOf(plain)
}

// knownInViews reports whether a key belongs to the zone in another view.
func knownInViews(zone, digest string) bool {
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
