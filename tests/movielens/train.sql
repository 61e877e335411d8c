-- Trains as a new user does, and shows the peak memory of the backend.
SELECT * FROM reco_train('{"force": true}');
SELECT pg_backend_pid() AS pid \gset
\setenv PID :pid
\! grep VmHWM /proc/$PID/status
