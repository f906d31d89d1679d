//go:build unix

package autosign

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/keystore/software"
	"github.com/autosign-dns/autosign/plugin/lastgood"
	"github.com/autosign-dns/autosign/plugin/store"
	"github.com/autosign-dns/autosign/plugin/store/directory"
)

// The tests here run a first signing and an edit in a process of their own,
// which is killed (SIGKILL: nothing is cleaned up) before or after its n-th
// call to the disk, for every n. Then a new process has to find its way.

const (
	crashDir  = "AUTOSIGN_TEST_CRASH_DIR"
	crashAt   = "AUTOSIGN_TEST_CRASH_AT"
	editedOld = "192.0.2.2"
	editedNew = "192.0.2.22"
)

// killer kills the process at its n-th step; steps are counted from 1.
type killer struct {
	step atomic.Int64
	at   int64
}

func (k *killer) pass() {
	if k.step.Add(1) == k.at {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// Every call is two steps: before it, and when it is done.
func around[T any](k *killer, f func() (T, error)) (T, error) {
	k.pass()
	v, err := f()
	k.pass()
	return v, err
}

type crashStore struct {
	store.Store
	k *killer
}

func (c crashStore) Swap(ctx context.Context, name string, old store.Revision, data []byte) (store.Revision, error) {
	return around(c.k, func() (store.Revision, error) { return c.Store.Swap(ctx, name, old, data) })
}

type crashKeys struct {
	keystore.Keystore
	k *killer
}

func (c crashKeys) Create(ctx context.Context, zone string, spec keystore.Spec) (keystore.Entry, error) {
	return around(c.k, func() (keystore.Entry, error) { return c.Keystore.Create(ctx, zone, spec) })
}

func (c crashKeys) Open(ctx context.Context, zone, id string) (crypto.Signer, error) {
	return around(c.k, func() (crypto.Signer, error) { return c.Keystore.Open(ctx, zone, id) })
}

func (c crashKeys) WriteDS(ctx context.Context, zone string, records []string) error {
	_, err := around(c.k, func() (int, error) { return 0, c.Keystore.(keystore.DSWriter).WriteDS(ctx, zone, records) })
	return err
}

type crashCopies struct {
	lastgood.Dir
	k *killer
}

func (c crashCopies) Save(name string, copy lastgood.Copy) error {
	_, err := around(c.k, func() (int, error) { return 0, c.Dir.Save(name, copy) })
	return err
}

// onDisk returns a place whose parts are in a directory.
func onDisk(t *testing.T, dir string, k *killer) *place {
	p := newPlace(t)
	p.dir, p.store, p.keys, p.copies = dir, directory.New(dir), software.New(dir), lastgood.New(dir)
	if k != nil {
		p.store, p.keys, p.copies = crashStore{p.store, k}, crashKeys{p.keys, k}, crashCopies{lastgood.New(dir), k}
	}
	p.policy.NoParent = true
	return p
}

// TestCrashVictim is the process that is killed; by itself it does nothing.
func TestCrashVictim(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return
	}
	at, err := strconv.ParseInt(os.Getenv(crashAt), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	k := &killer{at: at}
	p := onDisk(t, dir, k)
	s := p.signer()
	for _, text := range []string{testZone, strings.Replace(testZone, editedOld, editedNew, 1)} {
		p.source.set(text)
		if err := s.run(t); err != nil {
			t.Fatal(err)
		}
		signed := s.served.Load().signed
		fmt.Printf("served %d", signed.Serial)
		for _, key := range signed.Keys {
			fmt.Printf(" %d", key.Tag)
		}
		fmt.Println()
	}
	fmt.Println("end after", k.step.Load())
}

func TestKill_AtEachStep(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for at := 1; ; at++ {
		dir := t.TempDir()
		cmd := exec.Command(self, "-test.run=^TestCrashVictim$", "-test.v")
		// What is killed cleans nothing up: its temporary folders go with ours.
		cmd.Env = append(os.Environ(), crashDir+"="+dir, crashAt+"="+strconv.Itoa(at), "TMPDIR="+t.TempDir())
		out, err := cmd.Output()
		var exit *exec.ExitError
		killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
		if err != nil && !killed {
			t.Fatalf("step %d: %v\n%s", at, err, out)
		}
		t.Run("step "+strconv.Itoa(at), func(t *testing.T) { recoverFrom(t, dir, out) })
		if !killed {
			if at < 20 {
				t.Errorf("there were only %d steps", at)
			}
			return
		}
	}
}

// recoverFrom starts again where a process was killed: nothing that it showed
// is lost, and no serial comes twice for different content.
func recoverFrom(t *testing.T, dir string, out []byte) {
	p := onDisk(t, dir, nil)
	p.source.set(strings.Replace(testZone, editedOld, editedNew, 1))
	p.fresh = true
	s := p.signer()
	signed := s.mustRun(t)
	if !strings.Contains(text(signed), "c0000216") {
		t.Error("the edit is not there")
	}
	doc := p.state()
	if len(doc.KeySet.Keys) != 2 {
		t.Errorf("%d keys in the state, want 2", len(doc.KeySet.Keys))
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "served" {
			continue
		}
		serial, _ := strconv.ParseUint(fields[1], 10, 32)
		if signed.Serial < uint32(serial) {
			t.Errorf("serial %d after %d was served", signed.Serial, serial)
		}
		for _, tag := range fields[2:] {
			if n, _ := strconv.ParseUint(tag, 10, 16); !doc.TagUsed(uint16(n)) {
				t.Errorf("key %s was served and is lost", tag)
			}
		}
	}
	// A broken source changes nothing of it once the copy is on disk.
	again := onDisk(t, dir, nil)
	again.source.fail(errors.New("gone"))
	if second := again.signer().mustRun(t); second.Serial < signed.Serial {
		t.Errorf("serial %d after %d", second.Serial, signed.Serial)
	}
}
