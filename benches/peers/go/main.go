// Goroutines with channels. A channel has a bound; messages that wait for an answer carry the channel for it, which the
// asker uses again.
//
// Arguments: workload, workers, actors, messages, bound (0: none). Prints a line of JSON: see `benches::compare::measured`.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

type job struct {
	workload                         string
	workers, actors, messages, bound int
}

type measured struct {
	Value float64            `json:"value"`
	More  map[string]float64 `json:"more,omitempty"`
	Peak  int                `json:"peak_bytes"`
}

const (
	noUnbounded = "its channels are bounded"
	aChannel    = 64 // Places, where a workload does not ask for a bound and one message is under way at a time.
)

func main() {
	number := func(i int) int {
		n, err := strconv.Atoi(os.Args[i])
		check(err == nil, "a number")
		return n
	}
	j := job{os.Args[1], number(2), number(3), number(4), number(5)}
	runtime.GOMAXPROCS(j.workers)
	result, cannot := perform(j)
	var line []byte
	if cannot != "" {
		line, _ = json.Marshal(map[string]string{"cannot": cannot})
	} else {
		result.Peak = proc("/proc/self/status", "VmHWM:")
		line, _ = json.Marshal(map[string]measured{"measured": result})
	}
	fmt.Println(string(line))
}

func perform(j job) (measured, string) {
	switch j.workload {
	case "spawn", "idle_memory", "blocked_memory":
		return population(j), ""
	case "ping_pong":
		return timed(ring(2, 2*j.messages), j.messages), ""
	case "thread_ring_100", "thread_ring_10k":
		return timed(ring(j.actors, j.messages), j.messages), ""
	case "counting_bounded":
		return counting(j, 1), ""
	case "many_to_one_bounded":
		return counting(j, j.actors), ""
	case "ask":
		return askOne(j), ""
	case "ask_loaded":
		return askLoaded(j), ""
	case "fork_join_bounded":
		return forkJoin(j), ""
	case "skynet":
		start := time.Now()
		sum := make(chan int)
		go skynet(sum, 0, j.actors)
		check(<-sum == j.actors*(j.actors-1)/2, "the sum")
		return timed(time.Since(start), j.actors), ""
	case "counting", "many_to_one", "fork_join":
		return measured{}, noUnbounded
	}
	return more(j)
}

func check(that bool, what string) {
	if !that {
		panic("wrong: " + what)
	}
}

func timed(elapsed time.Duration, n int) measured {
	return measured{Value: float64(elapsed.Nanoseconds()) / float64(n), More: map[string]float64{}}
}

func withLatencies(m measured, latencies []int) measured {
	sort.Ints(latencies)
	m.More["p50_ns"] = float64(latencies[len(latencies)/2])
	m.More["p99_ns"] = float64(latencies[len(latencies)*99/100])
	return m
}

// The number of bytes in a line of /proc.
func proc(file, name string) int {
	text, _ := os.ReadFile(file)
	for _, line := range bytes.Split(text, []byte("\n")) {
		if strings.HasPrefix(string(line), name) {
			kib, _ := strconv.Atoi(strings.Fields(string(line))[1])
			return kib * 1024
		}
	}
	return 0
}

// Resident bytes, when what nobody uses any more has been given back.
func resident() int {
	runtime.GC()
	debug.FreeOSMemory()
	return proc("/proc/self/smaps_rollup", "Rss:")
}

// ---- a counter

type msg struct {
	add   int
	reply chan int // nil: nobody waits
}

func counter(inbox chan msg) {
	n := 0
	for m := range inbox {
		if m.reply != nil {
			m.reply <- n
		}
		n += m.add
	}
}

func ask(counter chan msg, reply chan int) int {
	counter <- msg{0, reply}
	return <-reply
}

func population(j job) measured {
	counters := make([]chan msg, 0, j.actors)
	before := resident()
	var started, ended sync.WaitGroup
	started.Add(j.actors)
	ended.Add(j.actors)
	start := time.Now()
	for i := 0; i < j.actors; i++ {
		inbox := make(chan msg)
		go func() {
			started.Done()
			counter(inbox)
			ended.Done()
		}()
		counters = append(counters, inbox)
	}
	started.Wait()
	result := timed(time.Since(start), j.actors)
	if j.workload != "spawn" {
		after := resident()
		runtime.KeepAlive(counters)
		return measured{Value: float64(after-before) / float64(j.actors)}
	}
	start = time.Now()
	for _, inbox := range counters {
		close(inbox)
	}
	ended.Wait()
	result.More["stop_ns"] = timed(time.Since(start), j.actors).Value
	return result
}

func counting(j job, senders int) measured {
	inbox := make(chan msg, j.bound)
	go counter(inbox)
	start := time.Now()
	var sent sync.WaitGroup
	sent.Add(senders)
	for i := 0; i < senders; i++ {
		go func() {
			for i := 0; i < j.messages/senders; i++ {
				inbox <- msg{add: 1}
			}
			sent.Done()
		}()
	}
	sent.Wait()
	check(ask(inbox, make(chan int)) == j.messages, "the count")
	return timed(time.Since(start), j.messages)
}

func askOne(j job) measured {
	inbox := make(chan msg)
	go counter(inbox)
	elapsed := make(chan time.Duration)
	go func() {
		reply := make(chan int, 1)
		start := time.Now()
		for i := 0; i < j.messages; i++ {
			check(ask(inbox, reply) == 0, "the answer")
		}
		elapsed <- time.Since(start)
	}()
	return timed(<-elapsed, j.messages)
}

// One ask in so many is timed: to look at a clock twice takes about as long as an ask.
const timedEvery = 17

func askLoaded(j job) measured {
	inbox := make(chan msg, aChannel)
	go counter(inbox)
	each := j.messages / j.actors
	done := make(chan []int)
	start := time.Now()
	for i := 0; i < j.actors; i++ {
		go func() {
			reply := make(chan int, 1)
			latencies := make([]int, 0, each/timedEvery)
			for i := 1; i <= each; i++ {
				if i%timedEvery != 0 {
					check(ask(inbox, reply) == 0, "the answer")
					continue
				}
				asked := time.Now()
				check(ask(inbox, reply) == 0, "the answer")
				latencies = append(latencies, int(time.Since(asked).Nanoseconds()))
			}
			done <- latencies
		}()
	}
	latencies := []int{}
	for i := 0; i < j.actors; i++ {
		latencies = append(latencies, <-done...)
	}
	return withLatencies(timed(time.Since(start), j.messages), latencies)
}

func forkJoin(j job) measured {
	counters := make([]chan msg, j.actors)
	for i := range counters {
		counters[i] = make(chan msg, j.bound)
		go counter(counters[i])
	}
	reply := make(chan int)
	start := time.Now()
	for i := 0; i < j.messages; i++ {
		for _, inbox := range counters {
			inbox <- msg{add: 1}
		}
	}
	for _, inbox := range counters {
		check(ask(inbox, reply) == j.messages, "the count")
	}
	return timed(time.Since(start), j.actors*j.messages)
}

// ---- tokens

func ring(members, hops int) time.Duration {
	done := make(chan bool)
	first := make(chan int)
	inbox := first
	for i := 0; i < members; i++ {
		next := make(chan int)
		if i+1 == members {
			next = first
		}
		go func(inbox, next chan int) {
			for left := range inbox {
				if left == 0 {
					done <- true
				} else {
					next <- left - 1
				}
			}
		}(inbox, next)
		inbox = next
	}
	start := time.Now()
	first <- hops
	<-done
	return time.Since(start)
}

func skynet(to chan int, number, size int) {
	if size == 1 {
		to <- number
		return
	}
	sums := make(chan int)
	size /= 10
	for i := 0; i < 10; i++ {
		go skynet(sums, number+i*size, size)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-sums
	}
	to <- sum
}
