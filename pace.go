package autosign

import (
	"os"
	"runtime"
	"sync"
	"syscall"
)

// giveWay lets questions through in the middle of work that takes long. It is
// called after each signature, costs about a tenth of one, and does nothing
// before anything is served.
//
// With one processor Go's scheduler looks for packets only when nobody wants
// to run, so that giving up the processor is not enough, and the shortest sleep
// is a millisecond, the step of the network poller. Waiting for something that
// only the poller can tell, and that has happened already, has the scheduler run
// whoever wants to run and ask the poller without any delay: packets that came
// meanwhile are served first, and then the work goes on.
func giveWay() {
	if serving.Load() > 0 {
		gate().pass()
	}
}

// turnstile is a pipe to oneself.
type turnstile struct {
	mu    sync.Mutex
	in    *os.File
	out   *os.File
	raw   syscall.RawConn // of out
	octet [1]byte
}

var gate = sync.OnceValue(newTurnstile)

// newTurnstile returns nil where there are no pipes.
func newTurnstile() *turnstile {
	out, in, err := os.Pipe()
	if err != nil {
		return nil
	}
	raw, err := out.SyscallConn()
	if err != nil {
		out.Close()
		in.Close()
		return nil
	}
	return &turnstile{in: in, out: out, raw: raw}
}

// pass returns after the poller has been asked. Those who come meanwhile wait
// too: as long as one of them ran, nobody would ask.
func (t *turnstile) pass() {
	if t == nil {
		runtime.Gosched()
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	wrote := false
	// The function is called, then called again when the poller says that the
	// pipe can be read, which what it writes the first time sees to.
	err := t.raw.Read(func(uintptr) bool {
		if wrote {
			return true
		}
		n, err := t.in.Write(t.octet[:])
		wrote = err == nil && n == 1
		return !wrote
	})
	if err == nil && wrote {
		_, err = t.out.Read(t.octet[:])
	}
	if err != nil {
		return // nothing was asked; the next one tries again
	}
	// The poller may have named the one who asked first, and others behind it.
	runtime.Gosched()
}
