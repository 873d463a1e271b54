%% Processes. Messages are queued without a bound; answers are awaited by a reference, as gen_server does.
%%
%% Arguments: workload, workers, actors, messages, bound (0: none). Prints a line of JSON: see `benches::compare::measured`.
-module(compared).
-behaviour(supervisor).
-export([main/1, counter/1, init/1, start_fragile/0, fragile_init/1]).

main([Workload, _Workers, Actors, Messages, Bound]) ->
    [A, M, B] = [list_to_integer(It) || It <- [Actors, Messages, Bound]],
    Line = try perform(list_to_atom(Workload), A, M, B) of
        {cannot, Why} -> ["{\"cannot\":\"", Why, "\"}"];
        {Value, More} ->
            Fields = [["\"", atom_to_list(Name), "\":", decimal(It)] || {Name, It} <- More],
            ["{\"measured\":{\"value\":", decimal(Value), ",\"more\":{", lists:join(",", Fields),
             "},\"peak_bytes\":", integer_to_list(proc("/proc/self/status", "VmHWM:")), "}}"]
    catch Class:Reason:Stack ->
        io:format(standard_error, "~p: ~p ~p~n", [Class, Reason, Stack]),
        halt(1)
    end,
    io:format("~s~n", [Line]),
    halt(0, [{flush, true}]).

decimal(It) -> io_lib:format("~.3f", [It * 1.0]).

%% The number of bytes in a line of /proc.
proc(File, Name) ->
    {ok, Handle} = file:open(File, [read]),
    Kib = proc_line(Handle, Name),
    file:close(Handle),
    Kib * 1024.

proc_line(Handle, Name) ->
    {ok, Line} = file:read_line(Handle),
    case string:prefix(Line, Name) of
        nomatch -> proc_line(Handle, Name);
        Rest -> {Kib, _} = string:to_integer(string:trim(Rest)), Kib
    end.

now_ns() -> erlang:monotonic_time(nanosecond).
timed(Start, N) -> {(now_ns() - Start) / N, []}.

perform(spawn, A, _, _) -> population(spawn, A);
perform(idle_memory, A, _, _) -> population(memory, A);
perform(blocked_memory, A, _, _) -> population(blocked, A);
perform(ping_pong, _, M, _) -> {ring(2, 2 * M) / M, []};
perform(thread_ring_100, A, M, _) -> {ring(A, M) / M, []};
perform(thread_ring_10k, A, M, _) -> {ring(A, M) / M, []};
perform(counting, _, M, _) -> counting(1, M);
perform(many_to_one, A, M, _) -> counting(A, M);
perform(ask, _, M, _) -> ask_one(M);
perform(ask_loaded, A, M, _) -> ask_loaded(A, M);
perform(fork_join, A, M, _) -> fork_join(A, M);
perform(skynet, A, _, _) ->
    Start = now_ns(),
    Me = self(),
    spawn(fun() -> skynet(Me, 0, A) end),
    Sum = A * (A - 1) div 2,
    receive {sum, Sum} -> timed(Start, A) end;
perform(ask_parallel, A, M, _) -> ask_parallel(A, M);
perform(chameneos, A, M, _) -> chameneos(A, M);
perform(big, A, M, _) -> big(A, M);
perform(bounded_buffer, A, M, Bound) -> bounded_buffer(A div 2, M, Bound);
perform(bank_transaction, A, M, _) -> bank(A, M);
perform(dining_philosophers, A, M, _) -> dining(A, M);
perform(supervised_restart, _, M, _) -> restart(M);
perform(echo_server, _, _, _) -> echo();
perform(_, _, _, Bound) when Bound > 0 -> {cannot, "its mailboxes have no bound"}.

%% ---- a counter

counter(N) ->
    receive
        {add, By} -> counter(N + By);
        {get, From, Ref} -> From ! {Ref, N}, counter(N);
        hibernate -> erlang:hibernate(?MODULE, counter, [N]);
        {stop, To} -> To ! stopped
    end.

get_count(Counter) ->
    Ref = monitor(process, Counter),
    Counter ! {get, self(), Ref},
    receive {Ref, N} -> demonitor(Ref, [flush]), N end.

population(What, A) ->
    erlang:garbage_collect(),
    Before = proc("/proc/self/smaps_rollup", "Rss:"),
    Start = now_ns(),
    Me = self(),
    Counters = [spawn(fun() -> Me ! started, counter(0) end) || _ <- lists:seq(1, A)],
    await(started, A),
    Spawned = (now_ns() - Start) / A,
    case What of
        spawn ->
            StopStart = now_ns(),
            [C ! {stop, Me} || C <- Counters],
            await(stopped, A),
            {Spawned, [{stop_ns, (now_ns() - StopStart) / A}]};
        _ ->
            %% An idle process hibernates, as its manual advises for those that wait long; a blocked one does not.
            [C ! hibernate || What =:= memory, C <- Counters],
            erlang:garbage_collect(),
            [0 = get_count(C) || What =:= blocked, C <- [lists:last(Counters)]],
            timer:sleep(200),
            After = proc("/proc/self/smaps_rollup", "Rss:"),
            A = length(Counters),
            {(After - Before) / A, []}
    end.

await(_, 0) -> ok;
await(What, N) -> receive What -> await(What, N - 1) end.

tell(_, 0) -> ok;
tell(Counter, N) -> Counter ! {add, 1}, tell(Counter, N - 1).

counting(Senders, M) ->
    Counter = spawn(fun() -> counter(0) end),
    Me = self(),
    Start = now_ns(),
    [spawn(fun() -> tell(Counter, M div Senders), Me ! sent end) || _ <- lists:seq(1, Senders)],
    await(sent, Senders),
    M = get_count(Counter),
    timed(Start, M).

ask_times(_, 0) -> ok;
ask_times(Counter, N) -> 0 = get_count(Counter), ask_times(Counter, N - 1).

ask_one(M) ->
    Counter = spawn(fun() -> counter(0) end),
    Me = self(),
    Start = now_ns(),
    spawn(fun() -> ask_times(Counter, M), Me ! done end),
    await(done, 1),
    timed(Start, M).

%% One ask in so many is timed: to look at a clock twice takes about as long as an ask.
-define(TIMED_EVERY, 17).

ask_timed(_, 0, Latencies) -> Latencies;
ask_timed(Counter, N, Latencies) when N rem ?TIMED_EVERY =/= 0 ->
    0 = get_count(Counter),
    ask_timed(Counter, N - 1, Latencies);
ask_timed(Counter, N, Latencies) ->
    Start = now_ns(),
    0 = get_count(Counter),
    ask_timed(Counter, N - 1, [now_ns() - Start | Latencies]).

ask_loaded(A, M) ->
    Counter = spawn(fun() -> counter(0) end),
    Me = self(),
    Start = now_ns(),
    [spawn(fun() -> Me ! {latencies, ask_timed(Counter, M div A, [])} end) || _ <- lists:seq(1, A)],
    All = lists:append([receive {latencies, L} -> L end || _ <- lists:seq(1, A)]),
    {Value, []} = timed(Start, M),
    Sorted = list_to_tuple(lists:sort(All)),
    At = fun(Share) -> element(max(1, round(tuple_size(Sorted) * Share)), Sorted) end,
    {Value, [{p50_ns, At(0.5)}, {p99_ns, At(0.99)}]}.

fork_join(A, M) ->
    Counters = [spawn(fun() -> counter(0) end) || _ <- lists:seq(1, A)],
    Start = now_ns(),
    fork(Counters, M),
    [M = get_count(C) || C <- Counters],
    timed(Start, A * M).

fork(_, 0) -> ok;
fork(Counters, N) -> [C ! {add, 1} || C <- Counters], fork(Counters, N - 1).

%% ---- tokens

link_loop(Next, Driver) ->
    receive
        {point, To} -> link_loop(To, Driver);
        {hop, 0} -> Driver ! done, link_loop(Next, Driver);
        {hop, Left} -> Next ! {hop, Left - 1}, link_loop(Next, Driver)
    end.

ring(Members, Hops) ->
    Me = self(),
    Links = [First | Rest] = [spawn(fun() -> link_loop(none, Me) end) || _ <- lists:seq(1, Members)],
    [Link ! {point, Next} || {Link, Next} <- lists:zip(Links, Rest ++ [First])],
    Start = now_ns(),
    First ! {hop, Hops},
    receive done -> now_ns() - Start end.

skynet(Parent, Number, 1) -> Parent ! {sum, Number};
skynet(Parent, Number, Size) ->
    Part = Size div 10,
    Me = self(),
    [spawn(fun() -> skynet(Me, Number + I * Part, Part) end) || I <- lists:seq(0, 9)],
    Sum = lists:sum([receive {sum, S} -> S end || _ <- lists:seq(1, 10)]),
    Parent ! {sum, Sum}.

%% ---- many

sum_of(_, 0) -> 0;
sum_of(What, N) -> receive {What, It} -> It + sum_of(What, N - 1) end.

ask_parallel(A, M) ->
    Counters = [spawn(fun() -> counter(0) end) || _ <- lists:seq(1, A)],
    Start = now_ns(),
    rounds(Counters, M div A),
    timed(Start, M).

rounds(_, 0) -> ok;
rounds(Counters, N) ->
    Refs = [begin Ref = monitor(process, C), C ! {get, self(), Ref}, Ref end || C <- Counters],
    [receive {Ref, 0} -> demonitor(Ref, [flush]) end || Ref <- Refs],
    rounds(Counters, N - 1).

complement(C, C) -> C;
complement(A, B) -> 3 - A - B.

chameneos(A, M) ->
    Me = self(),
    Start = now_ns(),
    Mall = spawn(fun() -> mall(none, M) end),
    [spawn(fun() -> creature(Mall, I rem 3, 0, Me) end) || I <- lists:seq(0, A - 1)],
    Meetings = 2 * M,
    Meetings = sum_of(meetings, A),
    timed(Start, M).

mall(Waiting, 0) -> receive {meet, Who, _} -> Who ! over, mall(Waiting, 0) end;
mall(none, Left) -> receive {meet, Who, Colour} -> mall({Who, Colour}, Left) end;
mall({Other, Its}, Left) ->
    receive {meet, Who, Colour} -> Other ! {met, Colour}, Who ! {met, Its}, mall(none, Left - 1) end.

creature(Mall, Colour, Meetings, Driver) ->
    Mall ! {meet, self(), Colour},
    receive
        {met, Other} -> creature(Mall, complement(Colour, Other), Meetings + 1, Driver);
        over -> Driver ! {meetings, Meetings}
    end.

%% The same numbers as the other peers: see `benches::compare::rules`.
below(Bound, State) ->
    Next = (State * 6364136223846793005 + 1442695040888963407) band 16#FFFFFFFFFFFFFFFF,
    {(Next bsr 33) rem Bound, Next}.

big(A, M) ->
    Me = self(),
    Pingers = [spawn(fun() -> pinger_start(I, M div A, Me) end) || I <- lists:seq(0, A - 1)],
    All = list_to_tuple(Pingers),
    Start = now_ns(),
    [P ! {go, All} || P <- Pingers],
    A = sum_of(done, A),
    timed(Start, M).

pinger_start(Random, Left, Driver) -> receive {go, All} -> pinger(All, ping_next(All, Random), Left, Driver) end.

ping_next(All, Random) ->
    {I, Next} = below(tuple_size(All), Random),
    element(I + 1, All) ! {ping, self()},
    Next.

pinger(All, Random, Left, Driver) ->
    receive
        {ping, From} -> From ! pong, pinger(All, Random, Left, Driver);
        pong when Left =:= 1 -> Driver ! {done, 1}, pinger(All, Random, 0, Driver);
        pong -> pinger(All, ping_next(All, Random), Left - 1, Driver)
    end.

%% A process that keeps the items, and those who wait for room or for items.
bounded_buffer(Half, M, Bound) ->
    Me = self(),
    Each = M div Half,
    Start = now_ns(),
    Buffer = spawn(fun() -> buffer(queue:new(), 0, Bound, queue:new(), queue:new()) end),
    [spawn(fun() -> produce(Buffer, 0, Each) end) || _ <- lists:seq(1, Half)],
    [spawn(fun() -> Me ! {sum, consume(Buffer, Each, 0)} end) || _ <- lists:seq(1, Half)],
    Expected = Half * (Each * (Each - 1) div 2),
    Expected = sum_of(sum, Half),
    timed(Start, M).

buffer(Items, Count, Bound, Producers, Consumers) ->
    receive
        {put, Item, From} ->
            case queue:out(Consumers) of
                {{value, Consumer}, Rest} ->
                    Consumer ! {item, Item}, From ! put, buffer(Items, Count, Bound, Producers, Rest);
                {empty, _} when Count < Bound ->
                    From ! put, buffer(queue:in(Item, Items), Count + 1, Bound, Producers, Consumers);
                {empty, _} ->
                    buffer(Items, Count, Bound, queue:in({Item, From}, Producers), Consumers)
            end;
        {take, From} ->
            case queue:out(Items) of
                {empty, _} -> buffer(Items, Count, Bound, Producers, queue:in(From, Consumers));
                {{value, Item}, Rest} ->
                    From ! {item, Item},
                    case queue:out(Producers) of
                        {empty, _} -> buffer(Rest, Count - 1, Bound, Producers, Consumers);
                        {{value, {Next, Producer}}, Others} ->
                            Producer ! put, buffer(queue:in(Next, Rest), Count, Bound, Others, Consumers)
                    end
            end
    end.

produce(_, Each, Each) -> ok;
produce(Buffer, Item, Each) -> Buffer ! {put, Item, self()}, receive put -> produce(Buffer, Item + 1, Each) end.

consume(_, 0, Sum) -> Sum;
consume(Buffer, Left, Sum) -> Buffer ! {take, self()}, receive {item, Item} -> consume(Buffer, Left - 1, Sum + Item) end.

transfers(_, 0, _) -> [];
transfers(A, M, Random) ->
    {From, Next} = below(A - 1, Random),
    {Offset, Last} = below(A - From - 1, Next),
    [{From + 1, From + 2 + Offset} | transfers(A, M - 1, Last)].

account(Balance) ->
    receive
        {pay, To} ->
            Ref = monitor(process, To),
            To ! {credit, self(), Ref},
            receive Ref -> demonitor(Ref, [flush]) end,
            account(Balance - 1);
        {credit, From, Ref} -> From ! Ref, account(Balance + 1);
        {balance, From} -> From ! {balance, Balance}, account(Balance)
    end.

bank(A, M) ->
    Accounts = list_to_tuple([spawn(fun() -> account(0) end) || _ <- lists:seq(1, A)]),
    Transfers = transfers(A, M, 1),
    Start = now_ns(),
    [element(From, Accounts) ! {pay, element(To, Accounts)} || {From, To} <- Transfers],
    %% Once an account answers all that it paid has arrived, and only earlier ones pay to it.
    After = [begin It ! {balance, self()}, receive {balance, B} -> B end end || It <- tuple_to_list(Accounts)],
    Result = timed(Start, M),
    Add = fun(Key, By, Map) -> maps:update_with(Key, fun(It) -> It + By end, By, Map) end,
    Expected = lists:foldl(fun({From, To}, Map) -> Add(From, -1, Add(To, 1, Map)) end, #{}, Transfers),
    After = [maps:get(I, Expected, 0) || I <- lists:seq(1, A)],
    Result.

dining(A, M) ->
    Me = self(),
    Start = now_ns(),
    Arbiter = spawn(fun() -> arbiter(#{}, A) end),
    [spawn(fun() -> philosopher(Arbiter, Seat, M div A, Me) end) || Seat <- lists:seq(0, A - 1)],
    A = sum_of(done, A),
    timed(Start, M).

arbiter(Taken, Seats) ->
    receive
        {hungry, Seat, Who} ->
            Other = (Seat + 1) rem Seats,
            case Taken of
                #{Seat := _} -> Who ! denied, arbiter(Taken, Seats);
                #{Other := _} -> Who ! denied, arbiter(Taken, Seats);
                _ -> Who ! eat, arbiter(Taken#{Seat => 1, Other => 1}, Seats)
            end;
        {done, Seat} -> arbiter(maps:without([Seat, (Seat + 1) rem Seats], Taken), Seats)
    end.

philosopher(_, _, 0, Driver) -> Driver ! {done, 1};
philosopher(Arbiter, Seat, Left, Driver) ->
    Arbiter ! {hungry, Seat, self()},
    receive
        eat -> Arbiter ! {done, Seat}, philosopher(Arbiter, Seat, Left - 1, Driver);
        denied -> philosopher(Arbiter, Seat, Left, Driver)
    end.

%% ---- supervised_restart

restart(M) ->
    logger:set_primary_config(level, none),
    {ok, _} = supervisor:start_link(?MODULE, []),
    Start = now_ns(),
    crash(M, whereis(fragile)),
    timed(Start, M).

init([]) ->
    Child = #{id => fragile, start => {?MODULE, start_fragile, []}},
    {ok, {#{strategy => one_for_one, intensity => 1000000, period => 1}, [Child]}}.

start_fragile() -> proc_lib:start_link(?MODULE, fragile_init, [self()]).

fragile_init(Parent) ->
    register(fragile, self()),
    proc_lib:init_ack(Parent, {ok, self()}),
    fragile(0).

fragile(N) ->
    receive
        crash -> error(on_purpose);
        {bump, From, Ref} -> From ! {Ref, N + 1}, fragile(N + 1)
    end.

crash(0, _) -> ok;
crash(M, Fragile) ->
    Fragile ! crash,
    Next = next_life(Fragile),
    Ref = monitor(process, Next),
    Next ! {bump, self(), Ref},
    receive {Ref, 1} -> demonitor(Ref, [flush]) end,
    crash(M - 1, Next).

next_life(Last) ->
    case whereis(fragile) of
        Next when is_pid(Next), Next =/= Last -> Next;
        _ -> erlang:yield(), next_life(Last)
    end.

%% ---- echo_server

%% A process for each connection. The parent ends it.
echo() ->
    Options = [binary, {active, false}, {nodelay, true}, {backlog, 1024}, {ip, {127, 0, 0, 1}}],
    {ok, Listener} = gen_tcp:listen(0, Options),
    {ok, Port} = inet:port(Listener),
    io:format("{\"listening\":~b}~n", [Port]),
    accept(Listener).

accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Pid = spawn(fun() -> receive go -> echo_all(Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Pid),
    Pid ! go,
    accept(Listener).

echo_all(Socket) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Bytes} -> ok = gen_tcp:send(Socket, Bytes), echo_all(Socket);
        {error, _} -> ok
    end.
