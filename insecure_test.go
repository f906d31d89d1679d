package autosign

import (
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// dsOf returns the DS record of a key as a parent has it.
func dsOf(t *testing.T, e keystore.Entry) parent.DS {
	t.Helper()
	wire, _ := appendWire(nil, "example.org.")
	rd, err := e.Key.DS(wire, key.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return parent.DS{KeyTag: e.Key.Tag, Algorithm: uint8(e.Key.Algorithm), DigestType: key.SHA256, Digest: rd[4:]}
}

// P3: a zone that is to be insecure and of which nothing is remembered may have
// been signed by another, or by us. It is unsigned only if there is no DS for
// certain; otherwise it is signed with what is at hand, or not published.
func TestP3_InsecureWithoutState_NoDSIsLeftBehind(t *testing.T) {
	const unsigned, signed, nothing = "unsigned", "signed", "nothing"
	for _, tt := range []struct {
		name  string
		keys  bool // at hand, as BIND leaves them
		ds    string
		err   error
		none  bool // parent none
		want  string
		fresh bool
	}{
		{name: "no DS, no keys", want: unsigned},
		{name: "no DS, keys", keys: true, want: signed},
		{name: "DS, its keys", keys: true, ds: "ours", want: signed},
		{name: "DS, no keys", ds: "another", want: nothing},
		{name: "DS of other keys", keys: true, ds: "another", want: nothing},
		{name: "the parent is unreachable, keys", keys: true, err: parent.ErrUnreachable, want: signed},
		{name: "the parent is unreachable, no keys", err: parent.ErrUnreachable, want: nothing},
		{name: "the parent is unreachable, no keys, a new store", err: parent.ErrUnreachable, fresh: true, want: nothing},
		{name: "parent none, no keys", none: true, want: unsigned},
		{name: "parent none, keys", none: true, keys: true, want: signed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			p.policy.Insecure, p.policy.NoParent, p.fresh, p.parent.err = true, tt.none, tt.fresh, tt.err
			if tt.keys {
				ksk := p.makeKey(policy.KSK)
				p.makeKey(policy.ZSK)
				if tt.ds == "ours" {
					p.parent.ds = []parent.DS{dsOf(t, ksk)}
				}
			}
			if tt.ds == "another" {
				p.parent.ds = []parent.DS{{KeyTag: 4711, Algorithm: 13, DigestType: 2, Digest: make([]byte, 32)}}
			}
			entries, _ := p.keys.List(t.Context(), "example.org.")
			s := p.signer()
			err := s.run(t)
			got := nothing
			if v := s.served.Load(); v != nil && v.signed.Unsigned {
				got = unsigned
			} else if v != nil {
				got = signed
			}
			if got != tt.want || (err == nil) != (tt.want != nothing) {
				t.Fatalf("%s is served, want %s: %v", got, tt.want, err)
			}
			for _, ds := range p.parent.ds {
				if tt.want == nothing {
					wantError(t, err, strconv.Itoa(int(ds.KeyTag)), p.dir, "insecure")
				}
			}
			if after, _ := p.keys.List(t.Context(), "example.org."); len(after) != len(entries) {
				t.Errorf("%d keys were made", len(after)-len(entries))
			}
			if tt.want != nothing {
				s.mustServe(t)
				p.signer().mustRun(t)
			}
		})
	}
}

// A signed zone that is taken over in order to leave DNSSEC is signed until its
// DS is in no cache any more.
func TestLife_TakenOverInOrderToLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		ksk := p.makeKey(policy.KSK)
		p.makeKey(policy.ZSK)
		p.policy.Insecure = true
		p.parent.ds = []parent.DS{dsOf(t, ksk)}
		o := observe(t, p, 2)
		defer o.stop()
		o.parent.change(func() {
			for _, name := range o.parent.names {
				o.parent.ds[name] = p.parent.ds
			}
		})
		o.look()
		o.run(10*day, nil)
		if v := o.signers[0].served.Load(); v == nil || !v.signed.Unsigned {
			t.Errorf("it is still signed: %v", p.waiting(o.signers[0]))
		}
		if k := p.state().Key(ksk.ID); k.Status(rollover.DS).State != rollover.Hidden {
			t.Errorf("DS %+v", k.Status(rollover.DS))
		}
	})
}
