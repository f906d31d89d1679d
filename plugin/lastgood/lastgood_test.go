package lastgood

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/durable"
	"github.com/autosign-dns/autosign/plugin/zone"
)

const name = "example.org.state.json"

var published = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// build makes a zone that holds a TXT record with a text, of that many names.
func build(t testing.TB, text string, names int) *zone.Zone {
	t.Helper()
	b := zone.NewBuilder([]byte("\x07example\x03org\x00"))
	add := func(format string, args ...any) {
		rr, err := dns.NewRR(fmt.Sprintf(format, args...))
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4096)
		end, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		h := rr.Header()
		start := end - int(h.Rdlength)
		b.Add(buf[:start-10], h.Rrtype, h.Class, h.Ttl, buf[start:end])
	}
	add("example.org. 60 SOA ns host 7 7200 3600 1209600 3600")
	add("example.org. 60 NS ns.example.net.")
	add("example.org. 60 DNSKEY 257 3 13 aGVsbG8=")
	add("example.org. 60 RRSIG DNSKEY 13 2 60 20300101000000 20260101000000 1 example.org. aGVsbG8=")
	for i := range names {
		add("n%d.example.org. 60 TXT %q", i, text)
	}
	z, _, err := b.Build(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func equal(t *testing.T, got, want *zone.Zone) {
	t.Helper()
	for c := range zone.Diff(got, want) {
		t.Errorf("differs at %q", c.Key)
	}
	if !slices.EqualFunc(got.Presigned.Keys, want.Presigned.Keys, bytes.Equal) ||
		!slices.EqualFunc(got.Presigned.RRSIGs, want.Presigned.RRSIGs, bytes.Equal) {
		t.Error("the DNSKEY set signed elsewhere is lost")
	}
}

func TestLoad_GivesBackWhatWasSaved(t *testing.T) {
	dir := t.TempDir()
	if _, err := New(dir).Load(name); !errors.Is(err, ErrNone) {
		t.Fatalf("a copy never saved: %v", err)
	}
	for serial, text := range []string{"first", "second"} {
		want := Copy{build(t, text, 10), uint32(serial), published.Add(time.Duration(serial))}
		if err := New(dir).Save(name, want); err != nil {
			t.Fatal(err)
		}
		got, err := New(dir).Load(name)
		if err != nil || got.Serial != want.Serial || !got.Published.Equal(want.Published) {
			t.Fatalf("got serial %d of %s, error %v", got.Serial, got.Published, err)
		}
		equal(t, got.Zone, want.Zone)
	}
	info, err := os.Stat(filepath.Join(dir, "lastgood", name))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
}

func TestLoad_MovesADamagedCopyAside(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func([]byte) []byte
		want  string
	}{
		{"empty", func([]byte) []byte { return nil }, "it has 0 octets"},
		{"cut short", func(b []byte) []byte { return b[:len(b)/2] }, "its checksum is wrong"},
		{"cut by one octet", func(b []byte) []byte { return b[:len(b)-1] }, "its checksum is wrong"},
		{"longer", func(b []byte) []byte { return append(b, 0) }, "its checksum is wrong"},
		{"serial changed", func(b []byte) []byte { return bytes.Replace(b, []byte(`"serial":5`), []byte(`"serial":6`), 1) }, "its checksum is wrong"},
		{"record changed", func(b []byte) []byte { return bytes.Replace(b, []byte("text"), []byte("Text"), 1) }, "its checksum is wrong"},
		{"zeroes, as after a crash", func(b []byte) []byte { return make([]byte, len(b)) }, "its checksum is wrong"},
	} {
		dir := t.TempDir()
		d := New(dir)
		path := filepath.Join(dir, "lastgood", name)
		for n := 1; n <= 3; n++ {
			if err := d.Save(name, Copy{build(t, "text", 3), 5, published}); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			spoilt := c.spoil(data)
			if err := os.WriteFile(path, spoilt, 0o600); err != nil {
				t.Fatal(err)
			}
			aside := path + ".damaged"
			if n > 1 {
				aside = fmt.Sprintf("%s-%d", aside, n)
			}
			if _, err := d.Load(name); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.want) ||
				!strings.HasSuffix(err.Error(), "; it is now "+aside) {
				t.Errorf("%s: got %v, want %q", c.name, err, c.want)
			}
			if kept, err := os.ReadFile(aside); err != nil || !bytes.Equal(kept, spoilt) {
				t.Errorf("%s: the damaged copy is not kept: %v", c.name, err)
			}
			if _, err := d.Load(name); !errors.Is(err, ErrNone) {
				t.Errorf("%s: then %v", c.name, err)
			}
		}
	}
}

func TestLoad_RefusesTheCopyOfAnotherZone(t *testing.T) {
	dir := t.TempDir()
	d := New(dir)
	if err := d.Save(name, Copy{build(t, "text", 3), 5, published}); err != nil {
		t.Fatal(err)
	}
	other := "example.net.state.json"
	if err := os.Rename(filepath.Join(dir, "lastgood", name), filepath.Join(dir, "lastgood", other)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Load(other); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), `it is the copy of "example.org.state.json"`) {
		t.Errorf("got %v", err)
	}
}

func TestLoad_SaysWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "lastgood", name), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := New(dir).Load(name); err == nil || errors.Is(err, ErrNone) || errors.Is(err, ErrDamaged) {
		t.Errorf("a directory in the place of a copy: %v", err)
	}
}

func TestDir_RefusesNamesOfOtherPlaces(t *testing.T) {
	dir := t.TempDir()
	d := New(dir)
	for _, bad := range []string{"", ".", "..", ".hidden", "../x", "a/b", `a\b`, "a\x00b"} {
		if err := d.Save(bad, Copy{build(t, "text", 1), 1, published}); err == nil {
			t.Errorf("saved as %q", bad)
		}
		if _, err := d.Load(bad); err == nil || errors.Is(err, ErrNone) {
			t.Errorf("loaded %q: %v", bad, err)
		}
	}
}

// Wherever writing stops, the copy before stays or the new one is there, whole.
func TestSave_StoppedAnywhereLeavesAWholeCopy(t *testing.T) {
	full := errors.New("disk full")
	for _, step := range []durable.Step{durable.Open, durable.Write, durable.SyncFile, durable.Rename, durable.SyncDir, durable.Done} {
		d := New(t.TempDir())
		if err := d.Save(name, Copy{build(t, "old", 3), 1, published}); err != nil {
			t.Fatal(err)
		}
		d.files.Fault = func(s durable.Step, _ string) error {
			if s == step {
				return full
			}
			return nil
		}
		err := d.Save(name, Copy{build(t, "new", 3), 2, published})
		if !errors.Is(err, full) || !strings.HasPrefix(err.Error(), "keep last good copy "+name+": ") {
			t.Errorf("%s: got %v", step, err)
		}
		d.files.Fault = nil
		c, err := d.Load(name)
		if err != nil || c.Serial != 1 && c.Serial != 2 {
			t.Errorf("%s: then serial %d, error %v", step, c.Serial, err)
		}
	}
}

func TestSave_FullDiskIsAnError(t *testing.T) {
	if err := write(failing{}, name, Copy{build(t, "text", 3000), 1, published}); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := New(path).Save(name, Copy{build(t, "text", 1), 1, published}); err == nil {
		t.Error("saved below a file")
	}
}

var errFull = errors.New("no space left")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

// Two instances overlap for a moment at every reload.
func TestDir_TwoInstances(t *testing.T) {
	dir := t.TempDir()
	z := build(t, "text", 200)
	var wg sync.WaitGroup
	for instance := range 2 {
		wg.Go(func() {
			d := New(dir)
			for n := range 10 {
				if err := d.Save(name, Copy{z, uint32(2*n + instance), published}); err != nil {
					t.Error(err)
				}
				if _, err := d.Load(name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	files, err := os.ReadDir(filepath.Join(dir, "lastgood"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".tmp") {
			t.Errorf("%s is left", f.Name())
		}
	}
}

func BenchmarkSave100kNames(b *testing.B) {
	d := New(b.TempDir())
	c := Copy{build(b, "text", 100_000), 1, published}
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Save(name, c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad100kNames(b *testing.B) {
	d := New(b.TempDir())
	if err := d.Save(name, Copy{build(b, "text", 100_000), 1, published}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := d.Load(name); err != nil {
			b.Fatal(err)
		}
	}
}
