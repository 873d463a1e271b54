#!/usr/bin/env escript
%%! +S 1 -kernel logger_level none
%% Records what OTP's supervisor does with random trees under random events.
%%
%%   escript record.escript FIRST_SEED CASES > traces.txt
%%
%% A case is a tree (`sup`, `worker`), then operations (`op`), each followed by the answer to a call (`=`) and by what
%% happened (`>`), in order, until nothing moves any more. `batch` suspends a supervisor while what comes up to `end` happens,
%% so that it finds all of it in its mailbox. Written for Erlang/OTP 25 (Debian's package `erlang-base`); one scheduler.
-module(record).
-mode(compile).
-export([main/1, start_worker/3, start_sup/3, init/1]).

main([First, Cases]) ->
    ets:new(log, [ordered_set, public, named_table]),
    ets:new(pids, [set, public, named_table]),
    ets:new(plan, [set, public, named_table]),
    process_flag(trap_exit, true),
    Seed = list_to_integer(First),
    io:format("# Erlang/OTP ~s, supervisor of stdlib ~s~n",
              [erlang:system_info(otp_release), vsn(stdlib)]),
    [one(N) || N <- lists:seq(Seed, Seed + list_to_integer(Cases) - 1)].

vsn(App) ->
    _ = application:load(App),
    {ok, Vsn} = application:get_key(App, vsn),
    Vsn.

%% ---- a case

one(N) ->
    rand:seed(exsss, N),
    [ets:delete_all_objects(T) || T <- [log, pids, plan]],
    io:format("case ~b~n", [N]),
    Tree = tree("root", 2),
    print(Tree, none),
    {ok, Root} = start_sup("root", Tree, self()),
    settle(),
    steps(4 + rand:uniform(10)),
    case is_process_alive(Root) of
        true ->
            io:format("op stop root~n"),
            exit(Root, shutdown),
            settle();
        false -> ok
    end.

steps(0) -> ok;
steps(N) ->
    case alive("root") of
        false -> ok;
        true -> step(), settle(), steps(N - 1)
    end.

step() ->
    case rand:uniform(10) of
        N when N =< 6 -> event(any);
        N when N =< 8 -> call(pick(sups()), now);
        _ ->
            Sup = pick(sups()),
            [{_, Pid, _, _}] = ets:lookup(pids, Sup),
            io:format("op batch ~s~n", [Sup]),
            sys:suspend(Pid),
            [case rand:uniform(2) of
                 1 -> event({children, Sup, Pid});
                 2 -> call(Sup, {queued, Pid})
             end || _ <- lists:seq(1, 1 + rand:uniform(3))],
            sys:resume(Pid),
            settle_quietly(),
            io:format("op end~n"),
            answers()
    end.

%% Something happens to a worker; or the next starts of somebody will go wrong.
event(Where) ->
    Workers = [P || {P, Pid, worker, _} <- ets:tab2list(pids), is_process_alive(Pid), within(P, Where)],
    case {rand:uniform(6), lists:sort(Workers)} of
        {1, _} ->
            Path = pick([P || {P, _, Kind, _} <- lists:sort(ets:tab2list(pids)), Kind =/= main, P =/= "root", within(P, Where)]),
            case Path of
                none -> ok;
                _ ->
                    How = pick([fail, fail, ignore]),
                    Times = rand:uniform(2),
                    ets:insert(plan, {Path, lists:duplicate(Times, How)}),
                    io:format("op ~s ~s ~b~n", [How, Path, Times])
            end;
        {_, []} -> ok;
        {_, Some} ->
            Path = pick(Some),
            How = pick([crash, crash, kill, normal, shutdown]),
            io:format("op ~s ~s~n", [How, Path]),
            [{_, Pid, _, _}] = ets:lookup(pids, Path),
            Ref = monitor(process, Pid),
            case How of
                kill -> exit(Pid, kill);
                _ -> Pid ! {leave, How}
            end,
            receive {'DOWN', Ref, _, _, _} -> ok end,
            case Where of
                {children, _, Sup} -> wait(fun() -> in_mailbox(Sup, Pid) end);
                any -> ok
            end
    end.

in_mailbox(Sup, Pid) ->
    {messages, Messages} = process_info(Sup, messages),
    lists:any(fun({'EXIT', It, _}) -> It =:= Pid; (_) -> false end, Messages).

within(_, any) -> true;
within(Path, {children, Sup, _}) -> parent(Path) =:= Sup.

call(Sup, When) ->
    [{_, Pid, _, _}] = ets:lookup(pids, Sup),
    Id = pick(["a", "b", "c", "d"]),
    Path = Sup ++ "." ++ Id,
    What = pick([terminate, terminate, restart, restart, delete, start]),
    Call =
        case What of
            terminate -> fun() -> supervisor:terminate_child(Pid, Id) end;
            restart -> fun() -> supervisor:restart_child(Pid, Id) end;
            delete -> fun() -> supervisor:delete_child(Pid, Id) end;
            start ->
                Restart = pick([permanent, transient, temporary]),
                Spec = {worker, Path, Restart, false, timeout},
                fun() -> supervisor:start_child(Pid, spec(Spec)) end
        end,
    case What of
        start -> io:format("op start ~s ~s~n", [Path, extra(Call)]);
        _ -> io:format("op ~s ~s~n", [What, Path])
    end,
    Self = self(),
    Run = fun() ->
        Result = try Call() catch exit:_ -> gone end,
        Self ! {answer, self(), answer(Result)}
    end,
    case When of
        now ->
            spawn(Run),
            settle_quietly(),
            answers();
        {queued, Sup0} ->
            {message_queue_len, Before} = process_info(Sup0, message_queue_len),
            Caller = spawn(Run),
            put(callers, get_callers() ++ [Caller]),
            wait(fun() -> process_info(Sup0, message_queue_len) =:= {message_queue_len, Before + 1} end)
    end.

get_callers() -> case get(callers) of undefined -> []; Callers -> Callers end.

%% In the order of the calls.
answers() ->
    case get_callers() of
        [] -> receive {answer, _, A} -> io:format("= ~s~n", [A]) after 0 -> ok end;
        Callers ->
            put(callers, []),
            [receive {answer, C, A} -> io:format("= ~s~n", [A]) end || C <- Callers]
    end.

extra(Call) ->
    {env, Env} = erlang:fun_info(Call, env),
    [Restart] = [R || {worker, _, R, _, _} <- Env],
    Restart.

answer(ok) -> "ok";
answer({ok, undefined}) -> "ignored";
answer({ok, _}) -> "ok";
answer({error, {already_started, _}}) -> "already_started";
answer({error, E}) when E =:= running; E =:= restarting; E =:= not_found; E =:= already_present -> atom_to_list(E);
answer({error, _}) -> "failed";
answer(gone) -> "gone".

%% ---- waiting

settle() -> settle_quietly(), flush().

settle_quietly() -> wait(fun idle/0).

wait(F) ->
    case F() of
        true -> ok;
        false -> timer:sleep(1), wait(F)
    end.

idle() ->
    lists:all(
        fun({_, Pid, sup, _}) ->
                case process_info(Pid, [current_function, status, message_queue_len]) of
                    undefined -> true;
                    [{_, {gen_server, loop, _}}, {_, waiting}, {_, 0}] -> true;
                    _ -> false
                end;
           (_) -> true
        end, ets:tab2list(pids)) andalso no_traces().

%% What the processes' ends looked like, into the log. True if there was nothing new.
no_traces() ->
    receive
        {trace_ts, Pid, exit, Reason, Time} ->
            case ets:match(pids, {'$1', Pid, '_', '_'}) of
                [[Path]] -> ets:insert(log, {Time, ["exit ", Path, " ", reason(Reason)]});
                [] ->
                    case ets:lookup(log, {pid, Pid}) of
                        [{_, Path}] -> ets:insert(log, {Time, ["exit ", Path, " ", reason(Reason)]});
                        [] -> ok
                    end
            end,
            _ = no_traces(),
            false;
        {trace_ts, _, _, _, _} -> no_traces(), false;
        {trace_ts, _, _, _, _, _} -> no_traces(), false;
        {'EXIT', _, _} -> no_traces()
    after 0 -> true
    end.

flush() ->
    Lines = [L || {{A, _}, L} <- lists:sort(ets:tab2list(log)), A =/= pid],
    [ets:delete(log, K) || {{A, _} = K, _} <- ets:tab2list(log), A =/= pid],
    [io:format("> ~s~n", [L]) || L <- Lines].

reason(normal) -> "normal";
reason(shutdown) -> "shutdown";
reason({shutdown, _}) -> "failed";
reason(killed) -> "killed";
reason(crash) -> "crash";
reason(Other) -> io_lib:format("~0p", [Other]).

note(Line) ->
    ets:insert(log, {{erlang:monotonic_time(nanosecond), erlang:unique_integer([monotonic])}, Line}).

%% ---- trees

tree(Path, Depth) ->
    Auto = pick([never, never, any_significant, all_significant]),
    Ids = lists:sublist(["a", "b", "c", "d"], 1 + rand:uniform(3)),
    Children = [child(Path ++ "." ++ Id, Depth, Auto) || Id <- Ids],
    {sup, Path, {pick([one_for_one, one_for_all, rest_for_one]), rand:uniform(4) - 1, Auto},
     pick([permanent, transient, temporary]), Children}.

child(Path, Depth, Auto) ->
    Node =
        case Depth > 0 andalso rand:uniform(4) =:= 1 of
            true -> tree(Path, Depth - 1);
            false ->
                {worker, Path, pick([permanent, permanent, transient, transient, temporary]), false,
                 pick([timeout, timeout, brutal, stubborn])}
        end,
    significant(Node, Auto =/= never andalso rand:uniform(2) =:= 1).

significant(Node, false) when element(1, Node) =:= sup -> {Node, false};
significant({sup, P, S, permanent, C}, true) -> {{sup, P, S, transient, C}, true};
significant({sup, _, _, _, _} = Node, true) -> {Node, true};
significant({worker, P, permanent, _, H}, true) -> {worker, P, transient, true, H};
significant({worker, P, R, _, H}, Significant) -> {worker, P, R, Significant, H}.

print({worker, Path, Restart, Significant, Stop}, _) ->
    io:format("worker ~s ~s ~s ~s~n", [Path, Restart, Significant, Stop]);
print({{sup, _, _, _, _} = Sup, Significant}, _) -> print(Sup, Significant);
print({sup, Path, {Strategy, Intensity, Auto}, Restart, Children}, Significant) ->
    io:format("sup ~s ~s ~b ~s ~s ~s~n", [Path, Strategy, Intensity, Auto, Restart, Significant =:= true]),
    [print(C, none) || C <- Children].

spec({worker, Path, Restart, Significant, Stop}) ->
    #{id => id(Path), start => {?MODULE, start_worker, [Path, Stop, Restart]}, restart => Restart,
      significant => Significant,
      shutdown => case Stop of brutal -> brutal_kill; stubborn -> 5; timeout -> 5000 end};
spec({{sup, Path, _, Restart, _} = Sup, Significant}) ->
    #{id => id(Path), start => {?MODULE, start_sup, [Path, Sup, none]}, restart => Restart,
      significant => Significant, shutdown => infinity, type => supervisor}.

%% What is to happen to this start.
planned(Path) ->
    case ets:lookup(plan, Path) of
        [{_, [How | Rest]}] -> ets:insert(plan, {Path, Rest}), How;
        _ -> ok
    end.

start_worker(Path, Stop, _) ->
    case planned(Path) of
        fail -> note(["fail ", Path]), {error, no};
        ignore -> ignore;
        ok ->
            note(["start ", Path]),
            Main = hd(ets:lookup_element(pids, main, 2)),
            Sup = self(),
            Pid = spawn_link(fun() -> process_flag(trap_exit, true), Sup ! {ready, self()}, worker(Stop) end),
            %% It must not be stopped before it traps exits.
            receive {ready, Pid} -> ok end,
            remember(Path, Pid, worker, none, Main),
            {ok, Pid}
    end.

worker(Stop) ->
    receive
        {leave, crash} -> exit(crash);
        {leave, normal} -> exit(normal);
        {leave, shutdown} -> exit(shutdown);
        {'EXIT', _, _} when Stop =:= stubborn -> worker(Stop);
        {'EXIT', _, Reason} -> exit(Reason)
    end.

start_sup(Path, {sup, _, _, _, _} = Sup, Main0) ->
    Main = case Main0 of
        none -> hd(ets:lookup_element(pids, main, 2));
        _ -> ets:insert(pids, {main, [Main0], main, none}), Main0
    end,
    case planned(Path) of
        fail -> note(["fail ", Path]), {error, no};
        ignore -> ignore;
        ok ->
            note(["start ", Path]),
            case supervisor:start_link(?MODULE, {Path, Sup, Main}) of
                {ok, Pid} -> {ok, Pid};
                {error, Why} -> note(["fail ", Path]), {error, Why}
            end
    end.

init({Path, {sup, _, {Strategy, Intensity, Auto}, _, Children} = Sup, Main}) ->
    remember(Path, self(), sup, Sup, Main),
    {ok, {#{strategy => Strategy, intensity => Intensity, period => 3600, auto_shutdown => Auto},
          [spec(C) || C <- Children]}}.

remember(Path, Pid, Kind, What, Main) ->
    erlang:trace(Pid, true, [procs, strict_monotonic_timestamp, {tracer, Main}]),
    ets:insert(log, {{pid, Pid}, Path}),
    ets:insert(pids, {Path, Pid, Kind, What}).

%% ---- small things

sups() -> lists:sort([P || {P, Pid, sup, _} <- ets:tab2list(pids), is_process_alive(Pid)]).

alive(Path) ->
    [{_, Pid, _, _}] = ets:lookup(pids, Path),
    is_process_alive(Pid).

pick([]) -> none;
pick(List) -> lists:nth(rand:uniform(length(List)), List).

id(Path) -> lists:last(string:split(Path, ".", all)).
parent(Path) -> lists:join($., lists:droplast(string:split(Path, ".", all))).
