package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// picture is what the world sees of a zone's keys at a moment.
type picture struct {
	keys    map[string]*dns.DNSKEY // by public key
	signers []uint16               // tags of the keys that sign the DNSKEY set
	data    []uint16               // tags of the keys that sign data, over all sets asked for
	cds     []string
	ds      []uint16      // tags at the parent
	left    time.Duration // of the signature that ends first
	most    int           // signatures over one set
}

// String is one line of the timeline.
func (p picture) String() string {
	if len(p.keys)+len(p.data) == 0 {
		return fmt.Sprintf("unsigned; DS %v", p.ds)
	}
	var keys []string
	for _, k := range p.keys {
		keys = append(keys, fmt.Sprintf("%d/%d/%s", k.KeyTag(), k.Flags, dns.AlgorithmToString[k.Algorithm]))
	}
	slices.Sort(keys)
	return fmt.Sprintf("DNSKEY %s, signed by %v; data by %v; CDS %v; DS %v", strings.Join(keys, " "), p.signers, p.data, p.cds, p.ds)
}

// recorder follows what a server and the parent show of a zone.
type recorder struct {
	zone, server, parent string
	began                time.Time
	stop                 chan struct{}
	work                 sync.WaitGroup

	mu       sync.Mutex
	now      picture
	timeline []string
	tags     map[uint16]string // the public key that ever had a tag
	clashes  []string
	keys     int           // the largest DNSKEY set
	sigs     int           // the most signatures over one set
	left     time.Duration // the least that was left of a signature
}

func record(server, parent, zone string) *recorder {
	r := &recorder{zone: zone, server: server, parent: parent, began: time.Now(), stop: make(chan struct{}), tags: map[uint16]string{}}
	r.look()
	r.work.Go(func() {
		tick := time.NewTicker(150 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.stop:
				return
			case <-tick.C:
				r.look()
			}
		}
	})
	return r
}

func (r *recorder) end() {
	close(r.stop)
	r.work.Wait()
}

// look asks once. A server that does not answer changes nothing.
func (r *recorder) look() {
	p := picture{keys: map[string]*dns.DNSKEY{}}
	for _, q := range []struct {
		name string
		typ  uint16
	}{{"@", dns.TypeDNSKEY}, {"@", dns.TypeSOA}, {"www", dns.TypeA}, {"h0", dns.TypeA}, {"h7", dns.TypeA}, {"h13", dns.TypeA}, {"@", dns.TypeCDS}} {
		msg, err := exchange(r.server, "tcp", query(absolute(q.name, r.zone), q.typ, true))
		if err != nil || msg.Rcode != dns.RcodeSuccess {
			return
		}
		p.take(msg.Answer, q.typ)
	}
	msg, err := exchange(r.parent, "tcp", query(r.zone, dns.TypeDS, true))
	if err != nil || msg.Rcode != dns.RcodeSuccess {
		return
	}
	left := p.left
	p.take(msg.Answer, dns.TypeDS)
	p.left = left // the parent's are its own affair
	r.note(p)
}

// take adds the records of an answer to a picture.
func (p *picture) take(answer []dns.RR, typ uint16) {
	signatures := 0
	for _, rr := range answer {
		switch rr := rr.(type) {
		case *dns.DNSKEY:
			p.keys[rr.PublicKey] = rr
		case *dns.CDS:
			if rr.Algorithm == 0 {
				p.cds = append(p.cds, "delete")
			} else {
				p.cds = append(p.cds, fmt.Sprint(rr.KeyTag))
			}
		case *dns.DS:
			p.ds = appendNew(p.ds, rr.KeyTag)
		case *dns.RRSIG:
			signatures++
			if left := time.Until(time.Unix(int64(rr.Expiration), 0)); p.left == 0 || left < p.left {
				p.left = left
			}
			switch typ {
			case dns.TypeDNSKEY:
				p.signers = appendNew(p.signers, rr.KeyTag)
			case dns.TypeSOA, dns.TypeA:
				p.data = appendNew(p.data, rr.KeyTag)
			}
		}
	}
	p.most = max(p.most, signatures)
	slices.Sort(p.cds)
	p.cds = slices.Compact(p.cds)
}

func appendNew(tags []uint16, tag uint16) []uint16 {
	if !slices.Contains(tags, tag) {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	return tags
}

func (r *recorder) note(p picture) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.timeline) == 0 || p.String() != r.now.String() {
		r.timeline = append(r.timeline, since(r.began)+" "+p.String())
	}
	r.now = p
	r.keys, r.sigs = max(r.keys, len(p.keys)), max(r.sigs, p.most)
	if p.left != 0 && (r.left == 0 || p.left < r.left) {
		r.left = p.left
	}
	for public, k := range p.keys {
		if k.Flags&dns.REVOKE != 0 {
			continue // a revoked key has another tag
		}
		if other, taken := r.tags[k.KeyTag()]; taken && other != public {
			r.clashes = append(r.clashes, fmt.Sprintf("two keys with the tag %d", k.KeyTag()))
		}
		r.tags[k.KeyTag()] = public
	}
}

// view returns the newest picture.
func (r *recorder) view() picture {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.now
	p.keys = maps.Clone(p.keys)
	return p
}

// mark puts a remark into the timeline.
func (r *recorder) mark(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timeline = append(r.timeline, since(r.began)+" "+fmt.Sprintf(format, args...))
}

// story returns the timeline.
func (r *recorder) story() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.timeline, "\n")
}

// wait waits until the picture is as it is to be. It is longer than until: a
// roll takes its time.
func (r *recorder) wait(t *testing.T, what string, is func(picture) bool) {
	t.Helper()
	const long = 200 * time.Second
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(long)
	defer deadline.Stop()
	for !is(r.view()) {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: %s: not within %v", r.zone, what, long)
		}
	}
	r.mark("-- %s", what)
}

// judge fails the test for tags that two keys had (they confuse validators),
// and for sets that grew beyond what a roll of this kind needs.
func (r *recorder) judge(t *testing.T, keys, sigs int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.clashes) > 0 {
		t.Errorf("%s: %v", r.zone, r.clashes[0])
	}
	if r.keys > keys || r.sigs > sigs {
		t.Errorf("%s: %d keys and %d signatures over a set, more than %d and %d", r.zone, r.keys, r.sigs, keys, sigs)
	}
	// It is renewed when 55 seconds are left, and tests share the machine.
	if r.left < 30*time.Second {
		t.Errorf("%s: a signature had only %v left", r.zone, r.left)
	}
	t.Logf("%s: at most %d keys and %d signatures over a set, each for at least %v", r.zone, r.keys, r.sigs, r.left.Round(time.Second))
}
