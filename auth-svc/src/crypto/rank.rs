//! How threads that compute passwords make way for all others (Linux).

#[cfg(target_os = "linux")]
use thread_priority::{
    Error, NormalThreadSchedulePolicy as Policy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id, thread_schedule_policy,
};

/// A rank below that of everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// `nice` 19, where processors are left: whoever wakes up looks for an idle one first, and leaves passwords alone.
    Low,
    /// `SCHED_IDLE`, where passwords may take every processor: whoever wakes up is given one that computes a password as if it were
    /// idle, whatever their group. Where others are idle, they are not looked for; that costs passwords 6 to 9 % of their time.
    Lowest,
}

impl Rank {
    /// The rank of so many threads where there are so many processors.
    pub(super) fn of(threads: usize, processors: usize) -> Self {
        if threads < processors { Self::Low } else { Self::Lowest }
    }

    #[cfg(target_os = "linux")]
    fn policy(self) -> ThreadSchedulePolicy {
        ThreadSchedulePolicy::Normal(match self {
            Self::Low => Policy::Other,
            Self::Lowest => Policy::Idle,
        })
    }

    /// Gives it to the calling thread. It takes no privilege.
    #[cfg(target_os = "linux")]
    pub(super) fn take(self) -> Result<(), Error> {
        let result = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, self.policy());
        // The idle policy comes with a `nice` value as well, which counts for nothing then and which not everybody may set.
        if self == Self::Lowest && thread_schedule_policy()? == self.policy() { Ok(()) } else { result }
    }

    /// Elsewhere a rank is the whole process's, and all that it serves would wait.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn take(self) -> Result<(), std::io::Error> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Policy and `nice` of the calling thread, as the kernel has them.
    #[cfg(target_os = "linux")]
    pub fn seen() -> (String, String) {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[38].to_owned(), fields[16].to_owned())
    }

    #[test]
    fn passwords_take_idle_processors_and_make_way_where_none_is_left() {
        assert_eq!(
            [(1, 2), (7, 8), (2, 2), (1, 1), (4, 2)].map(|(threads, processors)| Rank::of(threads, processors)),
            [Rank::Low, Rank::Low, Rank::Lowest, Rank::Lowest, Rank::Lowest]
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_calling_thread_takes_it_and_no_other() {
        let before = seen();
        for (rank, policy, nice) in [(Rank::Low, "0", Some("19")), (Rank::Lowest, "5", None)] {
            let (taken, taken_nice) = std::thread::spawn(move || rank.take().map(|()| seen())).join().unwrap().unwrap();
            assert_eq!(taken, policy);
            assert!(nice.is_none_or(|nice| nice == taken_nice), "{taken_nice}");
            assert_eq!(seen(), before);
        }
    }
}
