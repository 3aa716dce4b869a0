# Workers of a sweep, or any other command of cnn-sweeps, in a container:
#   docker build -t cnn-sweeps .                     for CPUs
#   docker build -t cnn-sweeps --build-arg GPU=1 .   with CUDA
#   docker run -e MLFLOW_TRACKING_URI -e CNN_SWEEPS_STORAGE cnn-sweeps worker STUDY
FROM python:3.12-slim
ARG GPU=""
WORKDIR /opt/cnn-sweeps
COPY pyproject.toml README.md LICENSE ./
COPY cnn_sweeps cnn_sweeps
COPY hydra_plugins hydra_plugins
COPY conf conf
RUN pip install --no-cache-dir ".[postgres,mysql${GPU:+,gpu}]"
# A volume for images and for what runs write; nobody needs to be root.
RUN useradd --create-home worker && mkdir /data && chown worker /data
USER worker
WORKDIR /data
ENTRYPOINT ["cnn-sweeps"]
CMD ["--help"]
