package autosign

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
)

// With one processor and work that never ends by itself, a packet is read at
// the next point at which the work gives way, whatever the clock says.
func TestGiveWay_LetsPacketsThroughOnOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	serving.Add(1)
	defer serving.Add(-1)

	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := net.DialUDP("udp4", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var read atomic.Int64
	go func() {
		buf := make([]byte, 16)
		for {
			if _, _, err := server.ReadFromUDP(buf); err != nil {
				return
			}
			read.Add(1)
		}
	}()
	giveWay() // the reader begins to wait
	for n := 1; n <= 100; n++ {
		if _, err := client.Write([]byte("?")); err != nil {
			t.Fatal(err)
		}
		// Other goroutines may want to run, too; a clock that has to tick first
		// would take far more than these.
		for tries := 0; read.Load() < int64(n); tries++ {
			if tries == 100 {
				t.Fatalf("%d packets were read of %d sent", read.Load(), n)
			}
			giveWay()
		}
	}
}

// Nobody is to be let through before anything is served.
func TestGiveWay_CostsNothingBeforeAnythingIsServed(t *testing.T) {
	defer serving.Store(serving.Swap(0)) // what other tests have left
	if n := testing.AllocsPerRun(100, giveWay); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTurnstile_ManyAtOnce(t *testing.T) {
	gate := newTurnstile()
	done := make(chan bool)
	for range 8 {
		go func() {
			for range 1000 {
				gate.pass()
			}
			done <- true
		}()
	}
	for range 8 {
		<-done
	}
	var none *turnstile
	none.pass() // without pipes it still gives up the processor
}
