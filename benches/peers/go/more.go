package main

import (
	"fmt"
	"net"
	"time"
)

// Workloads of many goroutines.
func more(j job) (measured, string) {
	switch j.workload {
	case "ask_parallel":
		return askParallel(j), ""
	case "chameneos":
		return chameneos(j), ""
	case "big":
		return big(j), ""
	case "bounded_buffer":
		return boundedBuffer(j), ""
	case "bank_transaction":
		return bank(j), ""
	case "dining_philosophers":
		return dining(j), ""
	case "supervised_restart":
		return restart(j), ""
	case "echo_server":
		echo()
	}
	panic("no workload " + j.workload)
}

// The same numbers as the other peers: see `benches::compare::rules`.
type random uint64

func (r *random) below(bound int) int {
	*r = *r*6364136223846793005 + 1442695040888963407
	return int(uint64(*r)>>33) % bound
}

func sumOf(reports chan int, count int) int {
	sum := 0
	for i := 0; i < count; i++ {
		sum += <-reports
	}
	return sum
}

func askParallel(j job) measured {
	counters := make([]chan msg, j.actors)
	for i := range counters {
		counters[i] = make(chan msg, 1)
		go counter(counters[i])
	}
	reply := make(chan int, j.actors)
	start := time.Now()
	for i := 0; i < j.messages/j.actors; i++ {
		for _, inbox := range counters {
			inbox <- msg{0, reply}
		}
		check(sumOf(reply, j.actors) == 0, "the answers")
	}
	return timed(time.Since(start), j.messages)
}

// ---- chameneos

type visitor struct {
	me     chan int // What the other's colour is; over, when there are no more meetings.
	colour int
}

const over = -1

func complement(one, other int) int {
	if one == other {
		return one
	}
	return 3 - one - other
}

func chameneos(j job) measured {
	start := time.Now()
	mall := make(chan visitor, j.actors)
	go func() {
		left := j.messages
		var waiting *visitor
		for it := range mall {
			it := it
			if left == 0 {
				it.me <- over
			} else if waiting == nil {
				waiting = &it
			} else {
				left--
				waiting.me <- it.colour
				it.me <- waiting.colour
				waiting = nil
			}
		}
	}()
	meetings := make(chan int)
	for i := 0; i < j.actors; i++ {
		go func(colour int) {
			me, met := make(chan int, 1), 0
			for {
				mall <- visitor{me, colour}
				other := <-me
				if other == over {
					break
				}
				colour = complement(colour, other)
				met++
			}
			meetings <- met
		}(i % 3)
	}
	check(sumOf(meetings, j.actors) == 2*j.messages, "the meetings")
	return timed(time.Since(start), j.messages)
}

// ---- big

type ping struct {
	from chan ping // nil: a pong
}

func big(j job) measured {
	inboxes := make([]chan ping, j.actors)
	for i := range inboxes {
		// Room for a ping of each other and a pong, so that no two wait for each other.
		inboxes[i] = make(chan ping, j.actors+1)
	}
	done := make(chan int)
	start := time.Now()
	for i := range inboxes {
		go func(i int) {
			numbers, left := random(i), j.messages/j.actors
			next := func() { inboxes[numbers.below(j.actors)] <- ping{inboxes[i]} }
			next()
			for it := range inboxes[i] {
				if it.from != nil {
					it.from <- ping{}
					continue
				}
				left--
				if left == 0 {
					done <- 1
				} else {
					next()
				}
			}
		}(i)
	}
	check(sumOf(done, j.actors) == j.actors, "the ends")
	return timed(time.Since(start), j.messages)
}

// ---- bounded_buffer

func boundedBuffer(j job) measured {
	buffer := make(chan int, j.bound)
	half := j.actors / 2
	each := j.messages / half
	sums, sent := make(chan int), make(chan int)
	start := time.Now()
	for i := 0; i < half; i++ {
		go func() {
			for item := 0; item < each; item++ {
				buffer <- item
			}
			sent <- 1
		}()
		go func() {
			sum := 0
			for item := range buffer {
				sum += item
			}
			sums <- sum
		}()
	}
	sumOf(sent, half)
	close(buffer)
	check(sumOf(sums, half) == half*(each*(each-1)/2), "the items")
	return timed(time.Since(start), j.messages)
}

// ---- bank_transaction

type order struct {
	pay    chan order // To whom; nil: a credit, or a question for the balance.
	credit bool
	reply  chan int
}

func account(orders chan order) {
	balance := 0
	credited := make(chan int, 1)
	for it := range orders {
		if it.pay != nil {
			balance--
			it.pay <- order{credit: true, reply: credited}
			<-credited
			continue
		}
		if it.credit {
			balance++
		}
		it.reply <- balance
	}
}

func transfers(j job, each func(from, to int)) {
	numbers := random(1)
	for i := 0; i < j.messages; i++ {
		from := numbers.below(j.actors - 1)
		each(from, from+1+numbers.below(j.actors-from-1))
	}
}

func bank(j job) measured {
	accounts := make([]chan order, j.actors)
	for i := range accounts {
		accounts[i] = make(chan order, aChannel)
		go account(accounts[i])
	}
	start := time.Now()
	transfers(j, func(from, to int) { accounts[from] <- order{pay: accounts[to]} })
	reply := make(chan int)
	after := make([]int, j.actors)
	// Once an account answers all that it paid has arrived, and only earlier ones pay to it.
	for i, it := range accounts {
		it <- order{reply: reply}
		after[i] = <-reply
	}
	elapsed := time.Since(start)
	expected := make([]int, j.actors)
	transfers(j, func(from, to int) { expected[from]--; expected[to]++ })
	for i := range after {
		check(after[i] == expected[i], "a balance")
	}
	return timed(elapsed, j.messages)
}

// ---- dining_philosophers

type request struct {
	seat int
	me   chan bool // Whether it has its forks; nil: it has eaten.
}

func dining(j job) measured {
	start := time.Now()
	arbiter := make(chan request, j.actors)
	go func() {
		taken := make([]bool, j.actors)
		for it := range arbiter {
			other := (it.seat + 1) % j.actors
			if it.me == nil {
				taken[it.seat], taken[other] = false, false
				continue
			}
			free := !taken[it.seat] && !taken[other]
			if free {
				taken[it.seat], taken[other] = true, true
			}
			it.me <- free
		}
	}()
	done := make(chan int)
	for i := 0; i < j.actors; i++ {
		go func(seat int) {
			me := make(chan bool, 1)
			for left := j.messages / j.actors; left > 0; {
				arbiter <- request{seat, me}
				if <-me {
					left--
					arbiter <- request{seat, nil}
				}
			}
			done <- 1
		}(i)
	}
	check(sumOf(done, j.actors) == j.actors, "the ends")
	return timed(time.Since(start), j.messages)
}

// ---- supervised_restart

// A goroutine that starts another again whenever that panics; the channel outlives it.
func restart(j job) measured {
	inbox := make(chan chan int, 2) // nil: panic
	life := func(panicked chan bool) {
		defer func() { panicked <- recover() != nil }()
		n := 0
		for reply := range inbox {
			if reply == nil {
				panic("on purpose")
			}
			n++
			reply <- n
		}
	}
	go func() {
		panicked := make(chan bool)
		for again := true; again; again = <-panicked {
			go life(panicked)
		}
	}()
	reply := make(chan int)
	start := time.Now()
	for i := 0; i < j.messages; i++ {
		inbox <- nil
		inbox <- reply
		check(<-reply == 1, "a new life")
	}
	return timed(time.Since(start), j.messages)
}

// ---- echo_server

// A goroutine for each connection. The parent ends it.
func echo() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err == nil, "a port")
	fmt.Printf("{\"listening\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		stream, err := listener.Accept()
		check(err == nil, "a connection")
		go func() {
			buffer := make([]byte, 1024)
			for {
				read, err := stream.Read(buffer)
				if err != nil {
					return
				}
				stream.Write(buffer[:read])
			}
		}()
	}
}
