package parent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestInTheWorld(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	t.Run("Look", func(t *testing.T) { testLook(t, w) })
	t.Run("DS", func(t *testing.T) { testDS(t, w) })
	t.Run("agents", func(t *testing.T) { testAgents(t, w) })
	t.Run("DNSKEY", func(t *testing.T) { testDNSKEY(t, w) })
	t.Run("Notify", func(t *testing.T) { testNotify(t, w) })
}

// testLook finds the parents of zones on real servers, through real
// resolvers, and hears what each server has.
func testLook(t *testing.T, w *world) {
	for _, c := range []struct {
		zone, parent string
		servers      []string // name, what it has or its error
		ttl          uint32
		err          error // of Agree
	}{
		{"city.ise.mie.jp", "jp.", []string{"ns1.jp. 60485", "ns2.jp. 60485", "ns3.jp. 60485"}, 900, nil},
		{"PLAIN.jp.", "jp.", []string{"ns1.jp.", "ns2.jp.", "ns3.jp."}, 0, nil},
		{"nosuch.ise.mie.jp.", "jp.", []string{"ns1.jp.", "ns2.jp.", "ns3.jp."}, 0, nil},
		{"half.jp.", "jp.", []string{"ns1.jp. 1", "ns2.jp.", "ns3.jp."}, 300, ErrDisagree},
		{"jp.", ".", []string{"ns.root."}, 0, nil},
		{"child.org.", "org.", []string{
			"gone.org. connection refused", "lame.org. answers REFUSED", "never.jp. has no address", "ns1.org. 1",
		}, 300, ErrUnreachable},
	} {
		for resolver := range w.resolvers {
			t.Run(c.zone+" through "+resolver, func(t *testing.T) {
				before := time.Now()
				l, err := w.observer(resolver).Look(t.Context(), c.zone)
				if err != nil {
					t.Fatal(err)
				}
				if l.Zone != c.parent || l.TTL != c.ttl || l.At.Before(before) || l.Resolvers() != nil {
					t.Errorf("parent %s, TTL %d, at %s, resolvers %v", l.Zone, l.TTL, l.At, l.Resolvers())
				}
				if len(l.Servers) != len(c.servers) {
					t.Fatalf("asked %v, want %v", l.Servers, c.servers)
				}
				for i, s := range l.Servers {
					if got := s.Name + said(s); !strings.HasPrefix(got, s.Name) || !matches(got, c.servers[i]) {
						t.Errorf("%s, want %s", got, c.servers[i])
					}
				}
				if _, err := l.Agree(); !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
					t.Errorf("agree: %v, want %v", err, c.err)
				}
			})
		}
	}
}

// said is what a server has, or its error, as words.
func said(s Server) string {
	if s.Err != nil {
		return " " + s.Err.Error()
	}
	var b strings.Builder
	for _, d := range s.DS {
		fmt.Fprintf(&b, " %d", d.KeyTag)
	}
	return b.String()
}

// matches reports whether the first word is the same and the end is.
func matches(got, want string) bool {
	name, rest, _ := strings.Cut(want, " ")
	return got == want || rest != "" && strings.HasPrefix(got, name+" ") && strings.HasSuffix(got, rest) &&
		!slices.Contains([]string{"1", "60485"}, rest)
}

func testDS(t *testing.T, w *world) {
	for resolver := range w.resolvers {
		list, err := w.observer(resolver).DS(t.Context(), "city.ise.mie.jp")
		if err != nil || !slices.Equal(tags(list), []uint16{60485}) {
			t.Errorf("%s: %v, %v", resolver, list, err)
		}
	}
}

// testAgents: agents are asked and nobody is looked for, the parent's name is
// what they say, and what a resolver says is known to come from one.
func testAgents(t *testing.T, w *world) {
	bind, nsd := fmt.Sprintf("%s:%d", bindAddr, w.port), fmt.Sprintf("%s:%d", nsdAddr, w.port)
	for _, c := range []struct {
		name     string
		agents   []string
		zone     string
		parent   string
		asked    int
		resolver string
		err      error
	}{
		{"servers", []string{bind, nsd}, "city.ise.mie.jp.", "jp.", 2, "", nil},
		{"by name", []string{fmt.Sprintf("ns2.jp:%d", w.port)}, "city.ise.mie.jp.", "jp.", 1, "", nil},
		{"a resolver", []string{w.resolvers["unbound"]}, "city.ise.mie.jp.", "jp.", 1, w.resolvers["unbound"], nil},
		{"both", []string{nsd, w.resolvers["named"]}, "plain.jp.", "jp.", 2, w.resolvers["named"], nil},
		{"one is not a server of the parent", []string{nsd, bind}, "child.org.", "org.", 2, "", ErrUnreachable},
		{"nobody tells", []string{nsd}, "child.org.", "", 1, "", ErrUnreachable},
		{"no such host", []string{"never.jp"}, "plain.jp.", "", 1, "", ErrUnreachable},
		{"no port", []string{"ns2.jp:domain"}, "plain.jp.", "", 1, "", ErrUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Observer{Agents: c.agents, Resolvers: []string{w.resolvers["named"]}}
			l, err := o.Look(t.Context(), c.zone)
			if err != nil || l.Zone != c.parent || len(l.Servers) != c.asked || strings.Join(l.Resolvers(), " ") != c.resolver {
				t.Errorf("%+v, %v", l, err)
			}
			for _, s := range l.Servers {
				if !slices.Contains(c.agents, s.Name) {
					t.Errorf("asked %s", s)
				}
			}
			if _, err := l.Agree(); !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("agree: %v", err)
			}
		})
	}
}

func testDNSKEY(t *testing.T, w *world) {
	for resolver := range w.resolvers {
		p, err := w.observer(resolver).DNSKEY(t.Context(), "city.ise.mie.jp")
		if err != nil || len(p.Copies) != 1 {
			t.Fatalf("%s: %v, %v", resolver, p, err)
		}
		c := p.Copies[0]
		if c.Err != nil || c.Serial != 2024010101 || c.TTL != 1200 || len(c.DNSKEY) != 2 ||
			fmt.Sprintf("%x", c.DNSKEY[1]) != "0101030f974d96a22d224bc01adb915091477d44ccd91c9a41a11430010117d52c59240e" {
			t.Errorf("%s: %+v %x", resolver, c, c.DNSKEY)
		}
		p, err = w.observer(resolver).DNSKEY(t.Context(), "plain.jp.")
		if err != nil || len(p.Copies) != 1 || p.Copies[0].Err != nil || p.Copies[0].DNSKEY != nil {
			t.Errorf("%s: an unsigned zone: %+v, %v", resolver, p, err)
		}
		p, err = w.observer(resolver).DNSKEY(t.Context(), "half.jp.") // its server knows nothing of it
		if !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: a lame delegation: %+v, %v", resolver, p, err)
		}
		p, err = w.observer(resolver).DNSKEY(t.Context(), "nosuch.jp.")
		if !errors.Is(err, ErrNotDelegated) {
			t.Errorf("%s: no delegation: %+v, %v", resolver, p, err)
		}
	}
}

func testNotify(t *testing.T, w *world) {
	for _, c := range []struct{ zone, host string }{
		{"city.ise.mie.jp", "scanner.org."}, // the wildcard, further up than one label
		{"plain.jp.", "scanner.org."},       // the wildcard
		{"jp", "scanner.org."},              // the root's
		{"own.org", "own.scanner.org."},     // one for this child
		{"child.org", "scanner.org."},       // no wildcard: the label itself
		{"deep.down.org.", "scanner.org."},  // the same, further up
		{"csync.org", ""},                   // for other types
		{"null.org", ""},                    // the null scheme
		{"org.", ""},                        // none at all
	} {
		for resolver := range w.resolvers {
			t.Run(c.zone+" through "+resolver, func(t *testing.T) {
				targets, err := w.observer(resolver).Notify(t.Context(), c.zone)
				if c.host == "" {
					if !errors.Is(err, ErrNoTarget) || targets != nil {
						t.Fatalf("%v, %v", targets, err)
					}
					return
				}
				if err != nil || len(targets) != 1 || !strings.HasPrefix(targets[0], c.host+":") {
					t.Fatalf("%v, %v", targets, err)
				}
				m := <-w.notified
				if m.Question[0].Name != strings.TrimSuffix(c.zone, ".")+"." {
					t.Errorf("notified of %v", m.Question)
				}
			})
		}
	}
}
