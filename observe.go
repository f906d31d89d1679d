package autosign

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// workParent is a look at the parent, as it stands on the agenda.
const workParent = "parent"

const (
	// maxLooks bounds the zones whose parents are looked at at a time.
	maxLooks = 16
	// lookDeadline is how long a look may take.
	lookDeadline = 20 * time.Second
	// startBound is how long after a start keys wait for the first look at the
	// most, where so many zones are to be looked at that it takes long.
	startBound = 10 * time.Minute
)

// outside is what can be asked about a zone: parent.Observer.
type outside interface {
	Look(ctx context.Context, zone string) (parent.Look, error)
	DNSKEY(ctx context.Context, zone string) (parent.Published, error)
	DNSKEYAt(ctx context.Context, zone string, hosts []parent.Host) parent.Published
	Notify(ctx context.Context, zone string) (targets []string, err error)
}

// watch is what is known of a zone's parent. Whoever works on the zone says what
// is waited for and takes what was seen; looks happen beside that.
type watch struct {
	zone   string
	origin []byte
	policy policy.Policy
	ask    outside // nil: there is nobody to ask
	now    func() time.Time
	tell   func(event.Event)
	wake   func()            // has the zone worked on
	plan   func(t time.Time) // has the next look made then, if none is planned before

	mu       sync.Mutex
	keys     map[string]key.Key // of the key set, by ID, without the revoke bit
	theirs   map[string]key.Key // of other views
	digests  map[string]bool    // of all keys that the state knows or knew
	waits    string             // what the parent is to do, in a word that changes with it
	tries    int                // looks since that changed
	looking  bool
	began    time.Time     // when the first pass was
	old      bool          // the zone had been published before the start
	checked  bool          // the first look was made
	answered bool          // a server answered since the start
	hosts    []parent.Host // servers that the zone's own records name
	told     bool          // all of the zone's servers told which keys they show
	around   time.Time     // when they are asked again, where there is no parent to be asked
	strange  string        // why the state may be one of the past
	trusted  bool          // an operator said that it is not
	seen     rollover.Observation
	raw      parent.Look
	lost     string   // why the last look brought nothing
	cached   []string // agents that answer from a cache, as was told
}

// pace is how often the parent is looked at, by what its changes take.
type pace struct{ first, most, rest time.Duration }

// paceOf returns the intervals of a policy: while something waits for the parent
// the first, doubled with each look up to the most; the rest otherwise. With
// the default policy that is a minute, an hour, and a quarter of a day.
func paceOf(p policy.Policy) pace {
	around := p.DSTTL + p.ParentPropagation
	first := clamp(p.ParentPropagation/60, time.Second, time.Minute)
	return pace{first: first, most: clamp(around/25, first, time.Hour), rest: clamp(around/4, first, 6*time.Hour)}
}

func clamp(d, least, most time.Duration) time.Duration { return max(least, min(d, most)) }

// next returns how long after a look the next one is due. Zones differ by up to
// an eighth, so that many do not ask at once.
func (c pace) next(zone string, waiting bool, tries int) time.Duration {
	d := c.rest
	if waiting {
		d = min(c.first<<min(tries, 20), c.most)
	}
	sum := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(zone) {
		sum = (sum ^ uint64(b)) * 1099511628211
	}
	return d - time.Duration(float64(d/8)*float64(sum>>40)/(1<<24))
}

// active reports whether the parent is asked at all.
func (w *watch) active() bool {
	return w.ask != nil && !w.policy.NoParent && !w.policy.ParentLocal && w.zone != "."
}

// takeOver goes on with what an earlier instance knew, so that a reload begins
// nothing anew.
func (w *watch) takeOver(from *watch) {
	from.mu.Lock()
	defer from.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.raw, w.lost, w.answered = from.seen, from.raw, from.lost, from.answered
	w.began, w.old, w.checked = from.began, from.old, from.checked
	w.told, w.strange, w.trusted = from.told, from.strange, from.trusted
	w.cached = from.cached
}

// begin notes when a zone is first worked on, and whether it had been published
// before the start.
func (w *watch) begin(now time.Time, published bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.began.IsZero() {
		w.began, w.old = now, published
	}
}

// sighting is what a step is told of the parent.
type sighting struct {
	seen   rollover.Observation
	unsure string    // why what is remembered does not count; empty: it does
	freeze string    // why nothing may move; empty: it may
	until  time.Time // when that is over; zero: when something changes
}

// sight returns what is known of the parent.
func (w *watch) sight(now time.Time) (v sighting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.active() {
		v.seen = w.seen
	}
	switch bound, patience := w.began.Add(startBound), w.began.Add(w.patience()); {
	case w.strange != "" && !w.trusted:
		v.freeze = w.strange
	case w.active() && !w.checked && w.old && now.Before(bound):
		v.freeze, v.until = "the parent has not been looked at since the start", bound
	case w.doubtful() && now.Before(patience):
		v.freeze, v.until = "the zone's servers have not all told since the start which keys they show", patience
	case w.active() && !w.answered && w.old:
		v.unsure = "no server of the parent has answered since the start" + because(w.lost)
	case w.active() && overdue(w.seen, now):
		v.unsure = "the last look at the parent, of " + w.seen.At.UTC().Format(time.RFC3339) + ", is too long ago"
	}
	return v
}

// overdue reports whether the look that was to follow one has not come: the
// process stood still, or many others wait for theirs.
func overdue(o rollover.Observation, now time.Time) bool {
	return !o.Next.IsZero() && now.After(o.Next.Add(min(lookDeadline, o.Next.Sub(o.At))))
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// expectation is what the watch has to know of a key set.
type expectation struct {
	set     rollover.KeySet
	keys    map[string]key.Key // by ID
	theirs  map[string]key.Key // of other views, by ID
	digests []string           // of keys that are or were in the zone, beside those of the set
	hosts   []parent.Host      // servers that the zone's own records name; none: they are not known
}

// expect takes in what is waited for, and has a look made soon if that changed.
func (w *watch) expect(e expectation) {
	w.mu.Lock()
	w.keys, w.theirs, w.hosts = e.keys, e.theirs, e.hosts
	w.digests = map[string]bool{}
	for _, d := range e.digests {
		w.digests[d] = true
	}
	for _, k := range e.set.Keys {
		w.digests[k.PublicDigest] = true
	}
	at, wanted := w.around, w.doubtful() && len(w.hosts) > 0
	if w.active() {
		at, wanted = w.seen.Next, true
		if waits := waitsFor(&e.set); waits != w.waits || !w.checked {
			w.waits, w.tries = waits, 0
			at = w.now()
		}
	}
	wanted = wanted && !w.looking
	w.mu.Unlock()
	if wanted {
		w.plan(at)
	}
}

// waitsFor returns what of the parent a key set waits for; empty: nothing.
func waitsFor(set *rollover.KeySet) string {
	var b strings.Builder
	for i := range set.Keys {
		k := &set.Keys[i]
		switch s := k.Status(rollover.DS); {
		case s.State == rollover.Rumoured && k.DSSeen.IsZero():
			fmt.Fprintf(&b, "+%s", k.ID)
		case s.State == rollover.Unretentive && k.DSGone.IsZero():
			fmt.Fprintf(&b, "-%s", k.ID)
		}
	}
	return b.String()
}

// look asks the parent's servers, and after a start the zone's, once, and returns
// when to ask again.
func (w *watch) look(ctx context.Context) (next time.Time) {
	w.mu.Lock()
	check := w.doubtful()
	if w.looking || !w.active() && !check {
		w.mu.Unlock()
		return time.Time{}
	}
	w.looking = true
	w.mu.Unlock()
	if !w.active() {
		return w.lookAround(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, lookDeadline)
	defer cancel()
	var strange <-chan comparison
	if check {
		strange = w.compare(ctx)
	}
	raw, err := w.ask.Look(bounded, w.zone)
	if ctx.Err() != nil {
		return time.Time{}
	}
	if check {
		w.await(ctx, strange)
	}
	return w.take(raw, err)
}

// take keeps what a look brought. The zone is worked on if that is new, or if it
// waits for the parent: what was there before it was asked for is an answer, too.
func (w *watch) take(raw parent.Look, err error) (next time.Time) {
	w.mu.Lock()
	now := w.now()
	before, first := w.seen, !w.checked
	seen, lost := w.observation(raw, err, now)
	w.looking, w.checked = false, true
	w.answered = w.answered || slices.ContainsFunc(seen.Servers, func(s rollover.Server) bool { return s.Err == "" })
	changed := observedAnew(before, seen)
	if changed && !first {
		w.tries = 0
	}
	waiting := w.waits != "" || w.strange != "" || lost != "" || w.old && !w.answered || w.doubtful() && now.Before(w.began.Add(w.patience()))
	seen.Next = now.Add(paceOf(w.policy).next(w.zone, waiting, w.tries))
	w.tries++
	w.seen, w.lost = seen, lost
	if err == nil {
		w.raw = raw
	}
	keys, wake := w.keys, changed || first || w.waits != "" || overdue(before, now)
	resolvers := w.newResolvers(raw)
	w.mu.Unlock()
	w.report(before, seen, keys, err)
	w.warnOfResolvers(resolvers)
	if wake {
		w.wake()
	}
	return seen.Next
}

// observation turns a look into what a step believes. One that failed as a whole
// leaves the servers that are known, each with the failure.
func (w *watch) observation(raw parent.Look, err error, now time.Time) (o rollover.Observation, lost string) {
	o = rollover.Observation{At: now, Zone: raw.Zone, TTL: raw.TTL}
	if o.Zone == "" {
		o.Zone = w.seen.Zone
	}
	if err != nil {
		lost = err.Error()
		for _, s := range w.seen.Servers {
			o.Servers = append(o.Servers, rollover.Server{Name: s.Name, Err: lost})
		}
		if len(o.Servers) == 0 {
			o.Servers = []rollover.Server{{Name: "the parent", Err: lost}}
		}
		return o, lost
	}
	for _, s := range raw.Servers {
		out := rollover.Server{Name: s.String()}
		if s.Err != nil {
			out.Err = s.Err.Error()
		}
		for _, d := range s.DS {
			if id := cmp.Or(ownerOf(d, w.keys, w.origin), ownerOf(d, w.theirs, w.origin)); id == "" {
				o.Unknown = append(o.Unknown, d.KeyTag)
			} else if !slices.Contains(out.Keys, id) {
				out.Keys = append(out.Keys, id)
			}
		}
		slices.Sort(out.Keys)
		o.Servers = append(o.Servers, out)
	}
	slices.Sort(o.Unknown)
	o.Unknown = slices.Compact(o.Unknown)
	return o, ""
}

// isDSOf reports whether a DS is of a key. A digest of a type that we do not
// compute is taken at its tag and algorithm.
func isDSOf(d parent.DS, k key.Key, origin []byte) bool {
	if d.KeyTag != k.Tag || d.Algorithm != uint8(k.Algorithm) {
		return false
	}
	rdata, err := k.DS(origin, d.DigestType)
	return err != nil || slices.Equal(rdata[4:], d.Digest)
}

// observedAnew reports whether two observations say different things; when they were
// made does not count.
func observedAnew(a, b rollover.Observation) bool {
	same := a.Zone == b.Zone && a.TTL == b.TTL && slices.Equal(a.Unknown, b.Unknown) &&
		slices.EqualFunc(a.Servers, b.Servers, func(x, y rollover.Server) bool {
			return x.Name == y.Name && (x.Err == "") == (y.Err == "") && slices.Equal(x.Keys, y.Keys)
		})
	return !same
}
