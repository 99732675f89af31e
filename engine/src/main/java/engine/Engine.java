package engine;

import java.util.List;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.context.WebServerPortFileWriter;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.annotation.web.configurers.AbstractHttpConfigurer;
import org.springframework.security.config.http.SessionCreationPolicy;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.core.userdetails.UsernameNotFoundException;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.util.matcher.RegexRequestMatcher;

/**
 * Flowable's REST API behind basic authentication (rest-admin / test). Everything else is in application.properties,
 * and each of its settings can be given as an argument: {@code --server.port=8091}.
 *
 * <p>{@code --exit-with=<pid>} ties this engine to another process: when that one is gone, however it ended,
 * the engine ends itself about a second later.
 */
@SpringBootApplication
public class Engine {

    private static final String EXIT_WITH = "--exit-with=";
    private static final long LOOK_AGAIN_MILLIS = 1_000;
    private static final long ORDERLY_EXIT_MILLIS = 10_000;

    public static void main(String[] args) {
        List.of(args).stream()
                .filter(argument -> argument.startsWith(EXIT_WITH))
                .map(argument -> Long.parseLong(argument.substring(EXIT_WITH.length())))
                .forEach(Engine::exitWith);
        var application = new SpringApplication(Engine.class);
        // With --server.port=0 a free port is taken; whoever started the engine reads it from the file named by PORTFILE.
        if (System.getenv("PORTFILE") != null) {
            application.addListeners(new WebServerPortFileWriter());
        }
        application.run(args);
    }

    private static void exitWith(long pid) {
        // The handle is taken once: it knows the start time too, so a later process with the same number is not mistaken for it.
        var watched = ProcessHandle.of(pid);
        daemon("exit-with-" + pid, () -> {
            while (watched.isPresent() && watched.get().isAlive()) {
                pause(LOOK_AGAIN_MILLIS);
            }
            System.err.println("Process " + pid + ", which this engine was started for, is gone: ending.");
            // System.exit closes the database in good order, but can hang while the application is still starting.
            daemon("orderly-exit", () -> System.exit(0));
            pause(ORDERLY_EXIT_MILLIS);
            Runtime.getRuntime().halt(1);
        });
    }

    private static void daemon(String name, Runnable task) {
        var thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
    }

    private static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new IllegalStateException("Nobody interrupts this thread", e);
        }
    }

    @Bean
    SecurityFilterChain basicAuthentication(HttpSecurity http) throws Exception {
        return http
                .csrf(AbstractHttpConfigurer::disable)
                .sessionManagement(session -> session.sessionCreationPolicy(SessionCreationPolicy.STATELESS))
                .authorizeHttpRequests(requests -> requests
                        .requestMatchers(new RegexRequestMatcher("/actuator/health", null)).permitAll()
                        .anyRequest().authenticated())
                .httpBasic(Customizer.withDefaults())
                .build();
    }

    /**
     * The one user. Not Spring's InMemoryUserDetailsManager: at the first login that replaces a plain password by its
     * bcrypt hash, and checking a bcrypt hash costs every request that follows some 50 ms of processor time.
     */
    @Bean
    UserDetailsService users() {
        return name -> {
            if (!name.equals("rest-admin")) {
                throw new UsernameNotFoundException(name);
            }
            return User.withUsername(name).password("{noop}test").roles("ADMIN").build();
        };
    }
}
