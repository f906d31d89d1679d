package test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// expectation is what a validator may say about a zone.
type expectation int32

const (
	mustBeSecure expectation = iota
	mayBeEither              // the DS comes or goes: caches may or may not have noticed
	mustBeInsecure
)

// beats are the questions that are asked of a zone all the time. N in a name is
// a number that is new each time, so that the answer is in no cache; a name
// without it comes from caches most of the time.
var beats = []struct {
	name  string
	typ   uint16
	rcode int
}{
	{"www", dns.TypeA, dns.RcodeSuccess},
	{"hN", dns.TypeA, dns.RcodeSuccess},
	{"missingN", dns.TypeA, dns.RcodeNameError},
	{"N.wild", dns.TypeTXT, dns.RcodeSuccess},
	{"hN", dns.TypeTXT, dns.RcodeSuccess}, // no such data
	{"N.wild", dns.TypeMX, dns.RcodeSuccess},
	{"@", dns.TypeSOA, dns.RcodeSuccess},
	{"@", dns.TypeDNSKEY, dns.RcodeSuccess},
	{"alias", dns.TypeA, dns.RcodeSuccess},
	{"@", dns.TypeCDS, dns.RcodeSuccess},
	{"@", dns.TypeCDNSKEY, dns.RcodeSuccess},
	{"@", dns.TypeDS, dns.RcodeSuccess},
	{"sub", dns.TypeDS, dns.RcodeSuccess}, // an insecure delegation
}

// hosts is how many names hN exist.
const hosts = 24

// watcher asks a validating resolver about a zone, all the time, and writes
// down every answer that a client would be hurt by.
type watcher struct {
	zone, through, resolver string
	deadly                  bool // servers are killed meanwhile
	began                   time.Time
	expect                  atomic.Int32
	stop                    chan struct{}
	work                    sync.WaitGroup

	mu     sync.Mutex
	asked  int
	secure int
	count  int      // of faults
	faults []string // the first of them
}

// watchZone starts a watcher.
func watchZone(through, resolver, zone string, deadly bool) *watcher {
	w := &watcher{zone: zone, through: through, resolver: resolver, deadly: deadly, began: time.Now(), stop: make(chan struct{})}
	for i := range askers {
		w.work.Go(func() { w.run(i) })
	}
	return w
}

// askers is how many questions about a zone can be under way at once.
const askers = 3

// end stops the questions.
func (w *watcher) end() {
	close(w.stop)
	w.work.Wait()
}

// expects says what validators may say from now on.
func (w *watcher) expects(e expectation) { w.expect.Store(int32(e)) }

// run is one asker; each begins at another question.
func (w *watcher) run(which int) {
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for n := which * len(beats) / askers; ; n++ {
		b := beats[n%len(beats)]
		number := fmt.Sprintf("%d-%d", which, n)
		if b.name == "hN" {
			number = fmt.Sprint(n % hosts)
		}
		name := absolute(strings.Replace(b.name, "N", number, 1), w.zone)
		before := expectation(w.expect.Load())
		r, problem := w.ask(name, b.typ, b.rcode)
		if after := expectation(w.expect.Load()); problem == "" && before == after {
			problem = before.broken(r.AuthenticatedData, name == w.zone && b.typ == dns.TypeDS)
		}
		w.note(fmt.Sprintf("%s %s", name, dns.TypeToString[b.typ]), r, problem)
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
	}
}

// ask puts one question, as a client does that trusts its resolver: again when
// there is no answer, and by TCP when the answer does not fit. Where servers are
// killed, a resolver may say that it reached none of them; then it is asked again,
// too. That it found an answer bogus is never forgiven.
func (w *watcher) ask(name string, typ uint16, rcode int) (r *dns.Msg, problem string) {
	m := query(name, typ, true)
	m.RecursionDesired = true
	c := dns.Client{Timeout: 5 * time.Second}
	var err error
	for range 4 {
		c.Net = "udp"
		r, _, err = c.Exchange(m, w.resolver)
		if err == nil && r.Truncated { // it has the signatures of two algorithms
			c.Net = "tcp"
			r, _, err = c.Exchange(m, w.resolver)
		}
		if err == nil && !(w.deadly && unreached(r)) {
			break
		}
		select {
		case <-w.stop:
		case <-time.After(time.Second):
		}
	}
	switch {
	case err != nil:
		return new(dns.Msg), err.Error()
	case r.Rcode != rcode:
		return r, fmt.Sprintf("%s, not %s%s", dns.RcodeToString[r.Rcode], dns.RcodeToString[rcode], explanation(r))
	}
	return r, ""
}

// unreached reports whether a response of unbound fails for another reason than
// validation, of which it always speaks.
func unreached(r *dns.Msg) bool {
	return r.Rcode == dns.RcodeServerFailure && explanation(r) == ""
}

// broken says whether an answer's AD bit breaks the expectation; what the
// parent says is always secure.
func (e expectation) broken(ad, parental bool) string {
	switch {
	case !ad && (e == mustBeSecure || parental):
		return "insecure"
	case ad && e == mustBeInsecure && !parental:
		return "secure, with no DS at the parent"
	}
	return ""
}

// explanation returns the extended errors (RFC 8914) of a response.
func explanation(r *dns.Msg) string {
	var b strings.Builder
	if o := r.IsEdns0(); o != nil {
		for _, e := range o.Option {
			if ede, ok := e.(*dns.EDNS0_EDE); ok {
				fmt.Fprintf(&b, "; EDE %d (%s) %s", ede.InfoCode, dns.ExtendedErrorCodeToString[ede.InfoCode], ede.ExtraText)
			}
		}
	}
	return b.String()
}

func (w *watcher) note(what string, r *dns.Msg, problem string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if r.AuthenticatedData {
		w.secure++
	}
	if problem == "" {
		return
	}
	w.count++
	const most = 20
	if len(w.faults) < most {
		w.faults = append(w.faults, fmt.Sprintf("%s %s: %s", since(w.began), what, problem))
	}
}

func (w *watcher) faulty() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// judge fails the test for every answer that was wrong, and when too few were
// asked for to prove anything.
func (w *watcher) judge(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count > 0 {
		t.Errorf("%s through %s: %d of %d answers are wrong:\n%s", w.zone, w.through, w.count, w.asked, strings.Join(w.faults, "\n"))
	}
	if w.asked < 200 || w.secure < w.asked/4 {
		t.Errorf("%s through %s: %d questions, %d answers were secure: that proves nothing", w.zone, w.through, w.asked, w.secure)
	}
	t.Logf("%s through %s: %d questions, %d secure answers, %d faults", w.zone, w.through, w.asked, w.secure, w.count)
}

func since(began time.Time) string { return fmt.Sprintf("%6.2fs", time.Since(began).Seconds()) }
