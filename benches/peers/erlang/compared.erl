%% Processes. Messages are queued without a bound; answers are awaited by a reference, as gen_server does.
%%
%% Arguments: workload, workers, actors, messages, bound (0: none). Prints a line of JSON: see `benches::compare::measured`.
-module(compared).
-export([main/1, counter/1]).

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
perform(_, _, _, Bound) when Bound > 0 -> {cannot, "its mailboxes have no bound"};
perform(_, _, _, _) -> {cannot, "not written yet"}.

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

ask_timed(_, 0, Latencies) -> Latencies;
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
